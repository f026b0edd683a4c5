/* The start of a unit: ExecCondition, ExecStartPre, the sockets, ExecStart up to readiness, ExecStartPost. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "depends.h"
#include "events.h"
#include "exec.h"
#include "lifecycle.h"
#include "namespaces.h"
#include "notify.h"
#include "prepare.h"

#define STEP_WAIT 100000ull
#define IDLE_WAIT (5 * SECOND)

static const char *const steps[] = {"ExecCondition", "ExecStartPre", "ExecStart",   "ExecStartPost",
                                    "ExecReload",    "ExecStop",     "ExecStopPost"};

void fail(struct unit *unit, enum result result) {
    if (unit->result == RESULT_SUCCESS)
        unit->result = result;
}

uint64_t after(uint64_t timeout) { return timeout == FOREVER ? FOREVER : now() + timeout; }

uint64_t start_timeout(const struct unit *unit) {
    return plan_time(&unit->plan, "timeout", "start", is_type(unit, "oneshot") ? FOREVER : 90 * SECOND);
}

/* Run a command to its end. If `stoppable`, TERM ends the wait; the command is then still running, and after
 * a timeout too. Return its result.
 */
enum result run_control(struct unit *unit, const struct line *command, int step, uint64_t timeout,
                        bool stoppable) {
    unit->control = spawn(unit, command, (enum step)step);
    if (unit->control == 0) {
        say("cannot start %s: %s", command->fields[1], strerror(errno));
        return RESULT_RESOURCES;
    }
    unit->deadline = after(timeout);
    while (unit->control != 0) {
        if (stoppable && unit->stop)
            return RESULT_SUCCESS;
        if (now() >= unit->deadline) {
            say("%s %s timed out", steps[step], command->fields[1]);
            return RESULT_TIMEOUT;
        }
        wait_event(unit, unit->deadline);
    }
    enum result result = result_of(NULL, unit->control_status, true);
    if (result == RESULT_SUCCESS)
        return result;
    bool ignored = strchr(command->fields[0], '-') != NULL;
    if (step != STEP_CONDITION && !ignored)
        describe(format("%s %s", steps[step], command->fields[1]), unit->control_status);
    return ignored ? RESULT_SUCCESS : result;
}

/* Run the commands `key` one after the other. Return false if one failed, or if the unit shall stop. */
static bool run_all(struct unit *unit, const char *key, enum step step) {
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, key, line)) != NULL;) {
        fail(unit, run_control(unit, line, (int)step, start_timeout(unit), true));
        if (unit->result != RESULT_SUCCESS || unit->stop)
            return false;
    }
    return true;
}

/* ExecCondition: an exit status from 1 to 254 means that the unit is not to start. */
static bool run_conditions(struct unit *unit) {
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, "execcondition", line)) != NULL;) {
        enum result result = run_control(unit, line, STEP_CONDITION, start_timeout(unit), true);
        if (unit->stop)
            return false;
        if (result == RESULT_EXIT_CODE && WEXITSTATUS(unit->control_status) < 255) {
            say("condition %s is not met (status %d); not started", line->fields[1],
                WEXITSTATUS(unit->control_status));
            result = RESULT_CONDITION;
        }
        fail(unit, result);
        if (result != RESULT_SUCCESS)
            return false;
    }
    return true;
}

/* Take the main process from the PID file. Return false if that names no process of the unit. */
bool take_pid_file(struct unit *unit) {
    const char *path = plan_text(&unit->plan, "pidfile", NULL);
    struct stat found;
    uint64_t pid;
    char *text = path != NULL ? read_file(path, 64, NULL) : NULL;
    if (text == NULL)
        return false;
    text[strcspn(text, " \t\r\n")] = '\0';
    bool valid =
        parse_number(text, INT32_MAX, &pid) && pid > 1 && kill((pid_t)pid, 0) == 0 &&
        (in_unit((pid_t)pid) || (lstat(path, &found) == 0 && found.st_uid == 0 && (pid_t)pid != getpid()));
    free(text);
    if (valid)
        set_main(unit, (pid_t)pid);
    return valid;
}

/* The only process of the unit whose parent this is, is the main process. */
static void guess_main(struct unit *unit) {
    struct pids pids = unit_pids();
    pid_t guess = 0;
    size_t found = 0;
    for (size_t at = 0; at < pids.count; at++) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pids.at[at], &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
            guess = pids.at[at];
            found++;
        }
    }
    free(pids.at);
    if (found == 1)
        set_main(unit, guess);
}

bool has_processes(void) {
    struct pids pids = unit_pids();
    free(pids.at);
    return pids.count > 0;
}

/* Forking: the command ends when the service is ready, and leaves its main process behind. */
static bool start_forking(struct unit *unit, const struct line *line) {
    enum result result = run_control(unit, line, STEP_START, start_timeout(unit), true);
    fail(unit, result);
    if (result != RESULT_SUCCESS || unit->stop)
        return false;
    if (!plan_has(&unit->plan, "pidfile")) {
        if (!plan_is(&unit->plan, "guessmainpid", "no"))
            guess_main(unit);
        return true;
    }
    const char *path = plan_text(&unit->plan, "pidfile", "");
    while (!take_pid_file(unit)) {
        if (unit->stop)
            return false;
        if (!has_processes() && !take_pid_file(unit)) {
            say("the daemon ended without a valid PID file %s", path);
            fail(unit, RESULT_PROTOCOL);
            return false;
        }
        if (now() >= unit->deadline) {
            say("start timed out: no valid PID file %s", path);
            fail(unit, RESULT_TIMEOUT);
            return false;
        }
        wait_event(unit, now() + STEP_WAIT < unit->deadline ? now() + STEP_WAIT : unit->deadline);
    }
    return true;
}

/* Wait until the main process is ready, by its message or by its program. */
static bool wait_ready(struct unit *unit, bool message) {
    while (message ? !unit->ready : !unit->program_started) {
        if (unit->stop)
            return false;
        if (unit->main_ended) {
            describe("main process", unit->main_status);
            if (message)
                say("it ended before it was ready");
            enum result result = result_of(unit, unit->main_status, false);
            fail(unit, result == RESULT_SUCCESS ? RESULT_PROTOCOL : result);
            return false;
        }
        if (now() >= unit->deadline) {
            say("start timed out: the main process is not ready");
            fail(unit, RESULT_TIMEOUT);
            return false;
        }
        wait_event(unit, unit->deadline);
    }
    return true;
}

/* Return true if a process has executed another program than this one, and has not ended. */
static bool has_own_program(pid_t pid) {
    char *path = format("/proc/%d/exe", (int)pid), program[PATH_MAX], own[PATH_MAX];
    ssize_t length = readlink(path, program, sizeof program),
            ours = readlink("/proc/self/exe", own, sizeof own);
    free(path);
    return length > 0 && (length != ours || memcmp(program, own, (size_t)length) != 0);
}

static bool start_main(struct unit *unit, const struct line *line) {
    pid_t pid = spawn(unit, line, STEP_START);
    if (pid == 0) {
        say("cannot start %s: %s", line->fields[1], strerror(errno));
        fail(unit, RESULT_RESOURCES);
        return false;
    }
    unit->main_ignored = strchr(line->fields[0], '-') != NULL;
    unit->deadline = after(start_timeout(unit));
    set_main(unit, pid);
    if (is_type(unit, "notify") || is_type(unit, "notify-reload"))
        return wait_ready(unit, true);
    if (!is_type(unit, "exec"))
        return true;
    /* The program may have failed to start: its process ends then with a status from 200. */
    if (!wait_ready(unit, false))
        return false;
    uint64_t until = now() + IDLE_WAIT;
    while (!unit->main_ended && !has_own_program(unit->main) && now() < until)
        wait_event(unit, until);
    if (unit->main_ended && WIFEXITED(unit->main_status) && WEXITSTATUS(unit->main_status) >= 200) {
        describe("main process", unit->main_status);
        fail(unit, RESULT_EXIT_CODE);
        return false;
    }
    return true;
}

/* Run the commands of a oneshot, each to its end; the last one is the main process. */
static bool start_oneshot(struct unit *unit) {
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, "start", line)) != NULL;) {
        pid_t pid = spawn(unit, line, STEP_START);
        if (pid == 0) {
            fail(unit, RESULT_RESOURCES);
            return false;
        }
        set_main(unit, pid);
        unit->deadline = after(start_timeout(unit));
        while (!unit->main_ended) {
            if (unit->stop)
                return false;
            if (now() >= unit->deadline) {
                say("start timed out: %s", line->fields[1]);
                fail(unit, RESULT_TIMEOUT);
                return false;
            }
            wait_event(unit, unit->deadline);
        }
        enum result result = result_of(unit, unit->main_status, true);
        if (result != RESULT_SUCCESS && strchr(line->fields[0], '-') == NULL) {
            describe(format("ExecStart %s", line->fields[1]), unit->main_status);
            fail(unit, result);
            return false;
        }
    }
    return true;
}

static bool start_commands(struct unit *unit) {
    const struct line *line = plan_last(&unit->plan, "start");
    if (is_type(unit, "oneshot"))
        return start_oneshot(unit);
    if (line == NULL)
        return true;
    if (is_type(unit, "forking"))
        return start_forking(unit, line);
    uint64_t until = now() + IDLE_WAIT;
    while (is_type(unit, "idle") && now() < until && others_start(unit))
        wait_event(unit, now() + STEP_WAIT);
    return !unit->stop && start_main(unit, line);
}

/* Start the unit. Return true if it is ready; else unit->result is the reason, or unit->stop is set. */
bool start_unit(struct unit *unit) {
    if (!make_private_tmp(&unit->sandbox, &unit->plan)) {
        say("cannot make a private /tmp: %s", strerror(errno));
        fail(unit, RESULT_RESOURCES);
        return false;
    }
    limit_cgroup(&unit->plan);
    make_namespaces(unit);
    if (!mount_needed(&unit->plan)) {
        fail(unit, RESULT_RESOURCES);
        return false;
    }
    if (!run_conditions(unit) || !run_all(unit, "pre", STEP_PRE))
        return false;
    if (!open_sockets(&unit->sockets, &unit->plan) || !open_files(&unit->sockets, &unit->plan)) {
        fail(unit, RESULT_RESOURCES);
        return false;
    }
    if (plan_has(&unit->plan, "accept"))
        return run_all(unit, "post", STEP_POST);
    return start_commands(unit) && run_all(unit, "post", STEP_POST);
}
