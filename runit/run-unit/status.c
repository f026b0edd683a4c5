/* The names of exit statuses and signals, for the log. Source: systemd.exec(5), "Process Exit Codes". */
#include "status.h"

#include <stddef.h>
#include <string.h>

static const struct {
    int status;
    const char *name;
} names[] = {
    {STATUS_CHDIR, "CHDIR"},
    {STATUS_NICE, "NICE"},
    {STATUS_FDS, "FDS"},
    {STATUS_EXEC, "EXEC"},
    {204, "MEMORY"},
    {STATUS_LIMITS, "LIMITS"},
    {STATUS_OOM_ADJUST, "OOM_ADJUST"},
    {STATUS_SIGNAL_MASK, "SIGNAL_MASK"},
    {STATUS_STDIN, "STDIN"},
    {STATUS_STDOUT, "STDOUT"},
    {STATUS_CHROOT, "CHROOT"},
    {STATUS_IOPRIO, "IOPRIO"},
    {STATUS_TIMERSLACK, "TIMERSLACK"},
    {STATUS_SECUREBITS, "SECUREBITS"},
    {STATUS_SETSCHEDULER, "SETSCHEDULER"},
    {STATUS_CPUAFFINITY, "CPUAFFINITY"},
    {STATUS_GROUP, "GROUP"},
    {STATUS_USER, "USER"},
    {STATUS_CAPABILITIES, "CAPABILITIES"},
    {STATUS_CGROUP, "CGROUP"},
    {STATUS_SETSID, "SETSID"},
    {STATUS_STDERR, "STDERR"},
    {STATUS_NETWORK, "NETWORK"},
    {STATUS_NAMESPACE, "NAMESPACE"},
    {STATUS_NO_NEW_PRIVILEGES, "NO_NEW_PRIVILEGES"},
    {STATUS_SECCOMP, "SECCOMP"},
    {STATUS_PERSONALITY, "PERSONALITY"},
    {STATUS_RUNTIME_DIRECTORY, "RUNTIME_DIRECTORY"},
    {STATUS_CHOWN, "CHOWN"},
    {STATUS_KEYRING, "KEYRING"},
    {STATUS_STATE_DIRECTORY, "STATE_DIRECTORY"},
    {STATUS_CACHE_DIRECTORY, "CACHE_DIRECTORY"},
    {STATUS_LOGS_DIRECTORY, "LOGS_DIRECTORY"},
    {STATUS_CONFIGURATION_DIRECTORY, "CONFIGURATION_DIRECTORY"},
};

/* Return the name of a status, or "" if it has none. */
const char *status_name(int status) {
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (names[at].status == status)
            return names[at].name;
    return "";
}

/* Return a signal's name without SIG, or its number's text. */
const char *signal_name(int number) {
    static const char *const usual[] = {
        "0",    "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
        "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
        "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS",
    };
    if (number > 0 && number < (int)(sizeof usual / sizeof *usual))
        return usual[number];
    return "RT";
}
