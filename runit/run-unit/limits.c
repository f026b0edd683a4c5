/* Limits and scheduling of a command: Limit*=, Nice=, OOMScoreAdjust=, IOScheduling*=, CPUScheduling*=,
 * CPUAffinity=, TimerSlackNSec=, Personality=. Functions return 0 or an exit status, with errno set.
 */
#include "limits.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "status.h"

static const struct {
    const char *name;
    int number;
} limits[] = {
    {"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},         {"CPU", RLIMIT_CPU},
    {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE},       {"LOCKS", RLIMIT_LOCKS},
    {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
    {"NOFILE", RLIMIT_NOFILE},   {"NPROC", RLIMIT_NPROC},       {"RSS", RLIMIT_RSS},
    {"RTPRIO", RLIMIT_RTPRIO},   {"RTTIME", RLIMIT_RTTIME},     {"SIGPENDING", RLIMIT_SIGPENDING},
    {"STACK", RLIMIT_STACK},
};

static int limit_number(const char *name) {
    for (size_t at = 0; at < sizeof limits / sizeof *limits; at++)
        if (strcmp(limits[at].name, name) == 0)
            return limits[at].number;
    return -1;
}

static bool parse_limit(const char *text, rlim_t *value) {
    uint64_t number;
    if (strcmp(text, "infinity") == 0) {
        *value = RLIM_INFINITY;
        return true;
    }
    if (!parse_number(text, UINT64_MAX, &number))
        return false;
    *value = number;
    return true;
}

/* Return the name of a limit that is unknown or has an invalid value, or NULL. */
const char *unknown_limit(const struct plan *plan) {
    rlim_t value;
    for (const struct line *line = NULL; (line = plan_next(plan, "limit", line)) != NULL;)
        if (limit_number(line->fields[0]) < 0 || !parse_limit(line->fields[1], &value) ||
            !parse_limit(line->fields[2], &value))
            return line->fields[0];
    return NULL;
}

/* Set a limit. One that is above what this process may set becomes the highest possible. */
static bool set_limit(int number, struct rlimit wanted) {
    struct rlimit had;
    if (setrlimit(number, &wanted) == 0)
        return true;
    if (errno != EPERM || getrlimit(number, &had) != 0)
        return false;
    if (wanted.rlim_max > had.rlim_max)
        wanted.rlim_max = had.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max)
        wanted.rlim_cur = wanted.rlim_max;
    return setrlimit(number, &wanted) == 0;
}

/* Set the resource limits: those that systemd sets by default (systemd-system.conf(5)), then the plan's. */
int set_limits(const struct plan *plan) {
    if (!set_limit(RLIMIT_NOFILE, (struct rlimit){1024, 524288}) ||
        !set_limit(RLIMIT_MEMLOCK, (struct rlimit){8 << 20, 8 << 20}))
        return STATUS_LIMITS;
    for (const struct line *line = NULL; (line = plan_next(plan, "limit", line)) != NULL;) {
        struct rlimit wanted;
        if (!parse_limit(line->fields[1], &wanted.rlim_cur) ||
            !parse_limit(line->fields[2], &wanted.rlim_max) ||
            !set_limit(limit_number(line->fields[0]), wanted))
            return STATUS_LIMITS;
    }
    return 0;
}

static bool set_affinity(const char *list) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = list; *at != '\0'; at += strcspn(at, " ,"), at += strspn(at, " ,")) {
        char *end;
        long first = strtol(at, &end, 10), last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (end == at || first < 0 || last >= CPU_SETSIZE || (*end != '\0' && *end != ' ' && *end != ',')) {
            errno = EINVAL;
            return false;
        }
        for (long cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, &set);
    }
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

/* The policy is the kernel's number (sched(7)). musl's sched_setscheduler always fails. */
static bool set_policy(const struct line *line) {
    struct sched_param param = {.sched_priority = atoi(line->fields[1])};
    int reset = strcmp(line->fields[2], "yes") == 0 ? SCHED_RESET_ON_FORK : 0;
    return syscall(SYS_sched_setscheduler, 0, atoi(line->fields[0]) | reset, &param) == 0;
}

/* Class and priority are the kernel's numbers (ioprio_set(2)). */
static bool set_io(const struct line *line) {
    unsigned class = (unsigned)atoi(line->fields[0]), priority = (unsigned)atoi(line->fields[1]);
    return syscall(SYS_ioprio_set, 1, 0, class << 13 | priority) == 0;
}

/* The personality is a number, in hexadecimal digits (personality(2)). */
static bool set_personality(const char *name) { return personality(strtoul(name, NULL, 16)) != -1; }

/* Set what systemd sets before the namespaces. */
int set_scheduling(const struct plan *plan) {
    const struct line *line;
    if (plan_has(plan, "oom") && !write_file("/proc/self/oom_score_adj", plan_text(plan, "oom", "0")) &&
        errno != EPERM && errno != EACCES)
        return STATUS_OOM_ADJUST;
    if (plan_has(plan, "coredumpfilter") &&
        !write_file("/proc/self/coredump_filter", format("0x%s", plan_text(plan, "coredumpfilter", "33"))))
        say("cannot set the filter of core dumps: %s; ignoring it", strerror(errno));
    if (plan_has(plan, "nice") && setpriority(PRIO_PROCESS, 0, (int)plan_integer(plan, "nice", 0)) != 0)
        return STATUS_NICE;
    if ((line = plan_last(plan, "cpusched")) != NULL && !set_policy(line))
        return STATUS_SETSCHEDULER;
    if ((line = plan_last(plan, "affinity")) != NULL && !set_affinity(line->fields[0]))
        return STATUS_CPUAFFINITY;
    if ((line = plan_last(plan, "io")) != NULL && !set_io(line))
        return STATUS_IOPRIO;
    if ((line = plan_last(plan, "slackns")) != NULL &&
        prctl(PR_SET_TIMERSLACK, strtoul(line->fields[0], NULL, 10)) != 0)
        return STATUS_TIMERSLACK;
    if ((line = plan_last(plan, "personality")) != NULL && !set_personality(line->fields[0]))
        return STATUS_PERSONALITY;
    return 0;
}
