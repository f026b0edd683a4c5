/* run-unit: run a translated systemd unit below runsv.
 *
 *     run-unit FOLDER          run the unit whose plan is FOLDER/unit (and FOLDER/seccomp), until TERM
 *     run-unit --once FOLDER   run it once in the foreground, for a timer
 *     run-unit --ready NAME    return 0 if the unit of the service NAME is ready
 *     run-unit --check FOLDER  return 0 if the plan is valid
 *
 * Signals: TERM stops, HUP reloads, others go to the main process. State: /run/runit/NAME.unit/{state,ready,
 * status,notify}; control group: /sys/fs/cgroup/notos/NAME.
 *
 * Exit statuses:
 *     0    the unit was stopped, ended well, or its condition is not met
 *     1    the unit failed; --ready: it is not ready
 *     100  invalid usage
 *     111  the plan cannot be read, or has a line that this program does not know
 * With --once, a command that failed gives its own exit status, 128 + N for a signal.
 *
 * A unit that ended for good is not started again: runsv gets `o` ("once"). `sv up` starts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "conditions.h"
#include "depends.h"
#include "directories.h"
#include "events.h"
#include "lifecycle.h"
#include "limits.h"
#include "notify.h"
#include "privileges.h"

#define USAGE "usage: run-unit [--once | --check] FOLDER | run-unit --ready NAME\n"
#define STATES "/run/runit"
#define MOST_RESTARTS 200

enum { EXIT_FAILED = 1, EXIT_USAGE = 100, EXIT_PLAN = 111 };

void set_state(const struct unit *unit, const char *state) {
    char *path = format("%s/state", unit->state), *ready = format("%s/ready", unit->state);
    char *text = format("%s %d %s\n", state, (int)getpid(), result_name(unit->result));
    bool active = strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0;
    if (!active)
        unlink(ready);
    /* The same file until the unit is no longer ready: another one means a restart. */
    if (active && access(ready, F_OK) != 0)
        replace_file(ready, text);
    if (!replace_file(path, text))
        say("%s: %s", path, strerror(errno));
    free(path);
    free(ready);
    free(text);
}

bool is_type(const struct unit *unit, const char *type) {
    return strcmp(plan_text(&unit->plan, "type", "simple"), type) == 0;
}

/* Return StartLimitBurst=. */
static uint64_t start_burst(const struct unit *unit) {
    const struct line *line = plan_last(&unit->plan, "startlimit");
    uint64_t burst = 5;
    if (line != NULL)
        parse_number(line->fields[1], UINT32_MAX, &burst);
    return burst;
}

/* Return true if the unit may start now: not more than BURST times in the interval. */
static bool within_limit(const struct unit *unit) {
    static uint64_t *starts;
    static size_t count, size;
    const struct line *line = plan_last(&unit->plan, "startlimit");
    uint64_t interval = 10 * SECOND, burst = start_burst(unit);
    size_t kept = 0;
    if (line != NULL)
        parse_time(line->fields[0], &interval);
    if (interval == 0 || burst == 0)
        return true;
    for (size_t at = 0; at < count; at++)
        if (interval == FOREVER || now() - starts[at] < interval)
            starts[kept++] = starts[at];
    count = kept;
    if (count >= burst)
        return false;
    if (count == size) {
        uint64_t *larger = realloc(starts, (size + 64) * sizeof *starts);
        if (larger == NULL)
            return false;
        starts = larger;
        size += 64;
    }
    starts[count++] = now();
    return true;
}

static bool shall_restart(const struct unit *unit) {
    const char *policy = plan_text(&unit->plan, "restart", "no");
    enum result result = unit->result;
    if (unit->once || result == RESULT_CONDITION)
        return false;
    if (unit->main_ended && matches_status(&unit->plan, "restartprevent", unit->main_status))
        return false;
    if (unit->main_ended && matches_status(&unit->plan, "restartforce", unit->main_status))
        return true;
    if (strcmp(policy, "always") == 0)
        return true;
    if (strcmp(policy, "on-success") == 0)
        return result == RESULT_SUCCESS;
    if (strcmp(policy, "on-failure") == 0)
        return result != RESULT_SUCCESS;
    if (strcmp(policy, "on-abnormal") == 0)
        return result != RESULT_SUCCESS && result != RESULT_EXIT_CODE;
    if (strcmp(policy, "on-abort") == 0)
        return result == RESULT_SIGNAL || result == RESULT_CORE_DUMP;
    return strcmp(policy, "on-watchdog") == 0 && result == RESULT_WATCHDOG;
}

/* Return the pause before restart number `count`: RestartSec=, growing to RestartMaxDelaySec= in
 * RestartSteps=. */
static uint64_t restart_pause(const struct unit *unit, unsigned count) {
    uint64_t pause = plan_time(&unit->plan, "restartsec", NULL, 100000);
    uint64_t most = FOREVER;
    const struct line *line = plan_last(&unit->plan, "restartsteps");
    long steps = line != NULL ? atol(line->fields[0]) : 0;
    if (line != NULL)
        parse_time(line->fields[1], &most);
    if (steps <= 0 || most == FOREVER || pause == FOREVER || most <= pause)
        return pause;
    if (count >= (unsigned)steps)
        return most;
    return pause + (most - pause) / (uint64_t)steps * count;
}

static void begin(struct unit *unit) {
    unsigned char bytes[16] = {0};
    (void)!getrandom(bytes, sizeof bytes, 0);
    for (size_t at = 0; at < sizeof bytes; at++)
        snprintf(unit->invocation + 2 * at, 3, "%02x", bytes[at]);
    unit->main = unit->control = 0;
    unit->main_ended = unit->main_known = unit->ready = unit->reloading = unit->stopping = false;
    unit->main_ignored = unit->depends_stop = unit->watchdog_failed = false;
    unit->result = RESULT_SUCCESS;
    unit->watchdog = plan_time(&unit->plan, "watchdog", NULL, 0);
    if (unit->watchdog == FOREVER)
        unit->watchdog = 0;
}

/* Start the unit, run it and stop it. */
static void live(struct unit *unit) {
    set_state(unit, "starting");
    bool clean = false;
    if (start_unit(unit)) {
        set_state(unit, "active");
        watch_services(unit);
        take_changes(unit);
        clean = run_until_end(unit);
    }
    set_state(unit, unit->stop || unit->depends_stop ? "stopping" : "deactivating");
    stop_unit(unit, clean);
    if (unit->result != RESULT_SUCCESS && unit->result != RESULT_CONDITION)
        say("failed with result '%s'", result_name(unit->result));
}

static int end(struct unit *unit, const char *state, int status) {
    close_sockets(&unit->sockets, &unit->plan);
    remove_runtime_directories(&unit->plan, false);
    set_state(unit, state);
    if (!unit->stop)
        stay_down(unit);
    return status;
}

/* Return the exit status of a unit that was run by a timer. */
static int once_status(const struct unit *unit) {
    if (unit->result == RESULT_SUCCESS || unit->result == RESULT_CONDITION)
        return 0;
    int status = unit->main_ended ? unit->main_status : unit->control_status;
    if (unit->result == RESULT_EXIT_CODE && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status);
    return unit->result == RESULT_SIGNAL && WIFSIGNALED(status) ? 128 + WTERMSIG(status) : EXIT_FAILED;
}

/* Return true if a condition forbids the start; then `status` is the exit status. */
static bool is_forbidden(struct unit *unit, int *status) {
    const struct line *line = failed_condition(&unit->plan, "condition");
    const char *what = "Condition", *state = "skipped";
    *status = 0;
    if (line == NULL) {
        line = failed_condition(&unit->plan, "assert");
        what = "Assert";
        state = "failed";
        *status = EXIT_FAILED;
    }
    if (line == NULL)
        return false;
    say("%s%s=%s%s is not met; not started", what, line->fields[1],
        strchr(line->fields[0], '!') != NULL ? "!" : "", line->fields[2]);
    *status = end(unit, state, *status);
    return true;
}

/* Run the unit again and again, as Restart= says. Return the exit status. */
static int run(struct unit *unit) {
    int status;
    for (unsigned count = 0;; count++) {
        begin(unit);
        enum wait waited = unit->once ? WAIT_DONE : wait_for_services(unit);
        if (waited == WAIT_STOPPED || unit->stop)
            return end(unit, "stopped", 0);
        if (waited == WAIT_FAILED)
            return end(unit, "failed", EXIT_FAILED);
        if (is_forbidden(unit, &status))
            return status;
        if (!within_limit(unit)) {
            say("start requested too often; not started again");
            unit->result = RESULT_START_LIMIT;
            return end(unit, "failed", EXIT_FAILED);
        }
        live(unit);
        if (unit->stop)
            return end(unit, "stopped", unit->once ? once_status(unit) : 0);
        if (unit->depends_stop) {
            if (needed_services_stay_down(unit))
                return end(unit, "stopped", 0);
            remove_runtime_directories(&unit->plan, true);
            continue;
        }
        if (!shall_restart(unit))
            break;
        remove_runtime_directories(&unit->plan, true);
        set_state(unit, "restarting");
        uint64_t pause = restart_pause(unit, count), until = pause == FOREVER ? FOREVER : now() + pause;
        while (!unit->stop && now() < until)
            wait_event(unit, until);
        if (unit->stop)
            return end(unit, "stopped", 0);
        /* Begin with fresh memory: a unit may restart forever, and small texts are not freed. */
        if (count >= MOST_RESTARTS && count >= start_burst(unit) && unit->sockets.count == 0)
            execl("/proc/self/exe", "run-unit", unit->folder, (char *)NULL);
    }
    bool good = unit->result == RESULT_SUCCESS || unit->result == RESULT_CONDITION;
    return end(unit, good ? "inactive" : "failed", unit->once ? once_status(unit) : good ? 0 : EXIT_FAILED);
}

/* Return what of the plan this program does not know, or NULL. */
static char *unknown(const struct plan *plan) {
    const char *name;
    if ((name = unknown_condition(plan)) != NULL)
        return format("unknown condition %s", name);
    if ((name = unknown_limit(plan)) != NULL)
        return format("invalid limit %s", name);
    if ((name = unknown_capability(plan)) != NULL)
        return format("unknown capability %s", name);
    return NULL;
}

/* End processes that an earlier run-unit of this service left, because it was killed. With some kill modes
 * a stop leaves processes on purpose.
 */
static void end_left_processes(struct unit *unit) {
    const char *mode = plan_text(&unit->plan, "killmode", "control-group");
    if (strcmp(mode, "control-group") != 0 && strcmp(mode, "mixed") != 0)
        return;
    struct pids pids = unit_pids();
    if (pids.count > 0) {
        say("ending %zu processes that were left", pids.count);
        signal_unit(SIGKILL, 0);
        for (int tries = 0; tries < 100 && pids.count > 0; tries++) {
            usleep(20000);
            free(pids.at);
            pids = unit_pids();
        }
    }
    free(pids.at);
}

/* Prepare the state folder. Print a line and return false if another run-unit of this service runs. */
static bool claim_state(const struct unit *unit) {
    mkdir(STATES, 0755);
    mkdir(unit->state, 0755);
    int hidden = open(STATES "/.hidden", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0);
    if (hidden >= 0)
        close(hidden);
    int lock = open(format("%s/lock", unit->state), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) {
        say("%s: %s", unit->state, strerror(errno));
        return false;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        say("it runs already");
        return false;
    }
    unlink(format("%s/ready", unit->state));
    return true;
}

static int run_folder(const char *folder, bool once, bool check) {
    struct unit unit = {
        .network = -1, .ipc = -1, .main_watch = -1, .exec_pipe = -1, .notify = -1, .once = once};
    unit.folder = realpath(folder, NULL);
    char *path = format("%s/unit", folder), *filter = format("%s/seccomp", folder);
    char *problem = plan_read(&unit.plan, path);
    if (problem == NULL)
        problem = unknown(&unit.plan);
    if (problem != NULL || unit.folder == NULL) {
        say("%s: %s", path, problem != NULL ? problem : strerror(errno));
        return EXIT_PLAN;
    }
    if (check)
        return 0;
    log_name = unit.name = plan_text(&unit.plan, "name", "");
    unit.service = strrchr(unit.folder, '/') + 1;
    unit.state = format(STATES "/%s.unit", unit.service);
    unit.sandbox.notify = unit.state;
    unit.seccomp = plan_yes(&unit.plan, "seccomp") ? format("%s/seccomp", unit.folder) : NULL;
    free(filter);
    log_fd = fcntl(2, F_DUPFD_CLOEXEC, 100);
    if (log_fd < 0)
        log_fd = 2;
    umask(0022);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    open_events(&unit);
    if (!claim_state(&unit))
        return EXIT_FAILED;
    make_cgroup(unit.service);
    end_left_processes(&unit);
    if (!open_notify(&unit)) {
        say("%s/notify: %s", unit.state, strerror(errno));
        return EXIT_FAILED;
    }
    return run(&unit);
}

int main(int count, char **words) {
    if (count == 2 && words[1][0] != '-')
        return run_folder(words[1], false, false);
    if (count == 3 && strcmp(words[1], "--once") == 0)
        return run_folder(words[2], true, false);
    if (count == 3 && strcmp(words[1], "--check") == 0)
        return run_folder(words[2], false, true);
    if (count == 3 && strcmp(words[1], "--ready") == 0)
        return is_ready(words[2]);
    bool help = count == 2 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);
    (void)!write(help ? 1 : 2, USAGE, sizeof USAGE - 1);
    return help ? 0 : EXIT_USAGE;
}
