/* A unit that is active: reloads, the watchdog, and the end of its main process. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "accept.h"
#include "cgroup.h"
#include "events.h"
#include "exec.h"
#include "lifecycle.h"

/* Return true if the main process moved to another one, which the PID file names. */
static bool moved(struct unit *unit) { return plan_has(&unit->plan, "pidfile") && take_pid_file(unit); }

/* Run ExecReload, or send the reload signal and wait for the message that follows. */
static void reload(struct unit *unit) {
    unit->reload = false;
    bool by_signal = is_type(unit, "notify-reload");
    if (!plan_has(&unit->plan, "reload") && !by_signal) {
        say("the unit has no ExecReload; not reloaded");
        return;
    }
    set_state(unit, "reloading");
    char *path = format("%s/reload", unit->state); /* units with ReloadPropagatedFrom= watch this file */
    replace_file(path, "");
    free(path);
    bool done = true;
    for (const struct line *line = NULL; done && (line = plan_next(&unit->plan, "reload", line)) != NULL;) {
        enum result result = run_control(unit, line, STEP_RELOAD, start_timeout(unit), true);
        if (unit->control != 0 && !unit->stop)
            kill(unit->control, SIGKILL);
        done = result == RESULT_SUCCESS && !unit->stop;
    }
    if (done && by_signal && unit->main > 0) {
        unit->reloading = true;
        unit->deadline = after(start_timeout(unit));
        kill(unit->main, plan_signal(&unit->plan, "reloadsignal", SIGHUP));
        while (unit->reloading && !unit->stop && !unit->main_ended && now() < unit->deadline)
            wait_event(unit, unit->deadline);
        if (unit->reloading && !unit->stop && !unit->main_ended)
            say("reload timed out");
        unit->reloading = false;
    }
    if (!unit->stop)
        set_state(unit, "active");
}

static bool main_is_over(struct unit *unit) {
    if (plan_is(&unit->plan, "exittype", "cgroup"))
        return (unit->main_ended || !unit->main_known) && !has_processes();
    if (unit->main_known && unit->main_ended)
        return !moved(unit);
    return !unit->main_known && !has_processes();
}

/* Judge the end of the main process. Return true if the unit stays active without it. */
static bool judge_end(struct unit *unit) {
    if (unit->main_known && !is_type(unit, "oneshot")) {
        enum result result = result_of(unit, unit->main_status, false);
        if (result != RESULT_SUCCESS && unit_was_short_of_memory())
            result = RESULT_OOM_KILL;
        if (result != RESULT_SUCCESS)
            describe("main process", unit->main_status);
        if (!unit->main_ignored)
            fail(unit, result);
    }
    return unit->result == RESULT_SUCCESS && plan_yes(&unit->plan, "remain");
}

/* Run until the unit has to stop. Return true if its ExecStop commands are to run: it was asked to stop, or
 * its main process ended well.
 */
bool run_until_end(struct unit *unit) {
    uint64_t most = after(plan_time(&unit->plan, "runtimemax", NULL, FOREVER));
    bool remains = false;
    if (plan_has(&unit->plan, "accept"))
        return serve_connections(unit);
    unit->watchdog_seen = now();
    while (!unit->stop && !unit->depends_stop) {
        uint64_t watchdog =
            unit->watchdog > 0 && unit->main > 0 ? unit->watchdog_seen + unit->watchdog : FOREVER;
        if (!remains && main_is_over(unit)) {
            if (!judge_end(unit))
                return unit->result == RESULT_SUCCESS;
            remains = true;
        }
        if (now() >= watchdog || unit->watchdog_failed) {
            say("watchdog: no message of the main process for %llu ms",
                (unsigned long long)unit->watchdog / 1000);
            fail(unit, RESULT_WATCHDOG);
            return false;
        }
        if (now() >= most) {
            say("the time of RuntimeMaxSec is over");
            fail(unit, RESULT_TIMEOUT);
            return false;
        }
        if (unit->stopping) {
            unit->deadline = after(plan_time(&unit->plan, "timeout", "stop", 90 * SECOND));
            while (!unit->stop && !unit->main_ended && now() < unit->deadline)
                wait_event(unit, unit->deadline);
            unit->stopping = false;
            if (!unit->main_ended)
                return false;
            continue;
        }
        if (unit->reload) {
            reload(unit);
            continue;
        }
        uint64_t until = watchdog < most ? watchdog : most;
        if ((!unit->main_known || plan_is(&unit->plan, "exittype", "cgroup")) && !remains &&
            until > now() + SECOND)
            until = now() + SECOND;
        wait_event(unit, until);
    }
    return true;
}
