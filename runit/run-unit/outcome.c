/* The outcome of a process: what its wait status means for the unit, as systemd.service(5) defines it. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "lifecycle.h"
#include "status.h"

static const char *const results[] = {
    "success",   "resources", "protocol",        "timeout",  "exit-code",      "signal",
    "core-dump", "watchdog",  "start-limit-hit", "oom-kill", "exec-condition",
};

const char *result_name(enum result result) { return results[result]; }

/* Exit statuses that have names, besides those of status.c: sysexits.h. */
static int named_status(const char *text) {
    static const char *const sys[] = {"USAGE",       "DATAERR",  "NOINPUT",  "NOUSER", "NOHOST",
                                      "UNAVAILABLE", "SOFTWARE", "OSERR",    "OSFILE", "CANTCREAT",
                                      "IOERR",       "TEMPFAIL", "PROTOCOL", "NOPERM", "CONFIG"};
    uint64_t number;
    if (parse_number(text, 255, &number))
        return (int)number;
    for (int at = 0; at < (int)(sizeof sys / sizeof *sys); at++)
        if (strcmp(sys[at], text) == 0)
            return 64 + at;
    for (int status = 200; status < 256; status++)
        if (strcmp(status_name(status), text) == 0)
            return status;
    return strcmp(text, "SUCCESS") == 0 ? 0 : strcmp(text, "FAILURE") == 0 ? 1 : -1;
}

/* Return true if the lines `key` name the exit status or the signal of a wait status. */
bool matches_status(const struct plan *plan, const char *key, int status) {
    for (const struct line *line = NULL; (line = plan_next(plan, key, line)) != NULL;)
        for (size_t at = 0; at < line->count; at++) {
            int number = named_status(line->fields[at]);
            if (WIFEXITED(status) ? number == WEXITSTATUS(status)
                                  : number < 0 && signal_number(line->fields[at]) == WTERMSIG(status))
                return true;
        }
    return false;
}

/* Return the result of a wait status. `command`: of a command, or of a oneshot, for which no signal is clean.
 * SuccessExitStatus= of `unit` counts for its main process; NULL for other commands.
 */
enum result result_of(const struct unit *unit, int status, bool command) {
    if (unit != NULL && matches_status(&unit->plan, "success", status))
        return RESULT_SUCCESS;
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 0 ? RESULT_SUCCESS : RESULT_EXIT_CODE;
    int number = WTERMSIG(status);
    if (!command && (number == SIGHUP || number == SIGINT || number == SIGTERM || number == SIGPIPE))
        return RESULT_SUCCESS;
    return WCOREDUMP(status) ? RESULT_CORE_DUMP : RESULT_SIGNAL;
}

/* Print how a process ended, in systemd's words. */
void describe(const char *what, int status) {
    if (WIFEXITED(status)) {
        const char *name = status_name(WEXITSTATUS(status));
        say("%s exited, status=%d%s%s", what, WEXITSTATUS(status), *name != '\0' ? "/" : "", name);
    } else {
        say("%s killed, signal=%s%s", what, signal_name(WTERMSIG(status)),
            WCOREDUMP(status) ? ", core dumped" : "");
    }
}
