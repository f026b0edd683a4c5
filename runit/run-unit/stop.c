/* The stop of a unit: ExecStop, signals to its processes, ExecStopPost, and cleaning up. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "directories.h"
#include "events.h"
#include "exec.h"
#include "ipc.h"
#include "lifecycle.h"

static bool is_mode(const struct unit *unit, const char *mode) {
    return strcmp(plan_text(&unit->plan, "killmode", "control-group"), mode) == 0;
}

static void send(pid_t pid, int number) {
    if (pid > 0 && kill(pid, number) == 0 && number != SIGKILL && number != SIGCONT)
        kill(pid, SIGCONT);
}

/* Send a signal as KillMode= says. `last`: it is the one that ends what is left. Return true if a process got
 * it. */
static bool signal_all(const struct unit *unit, int number, bool last) {
    bool any = unit->main > 0 || unit->control > 0;
    if (is_mode(unit, "none") && !last)
        return false;
    if (is_mode(unit, "control-group") || (is_mode(unit, "mixed") && last)) {
        /* The main process may be outside of the group. */
        if (unit->main > 0 && !in_unit(unit->main))
            send(unit->main, number);
        return signal_unit(number, 0) || any;
    }
    send(unit->main, number);
    send(unit->control, number);
    return any;
}

/* Wait until the main process and the command have ended; with `all`, until no process is left. Return false
 * if they have not after `timeout`.
 */
static bool wait_end(struct unit *unit, uint64_t timeout, bool all) {
    unit->deadline = after(timeout);
    for (;;) {
        bool left = unit->main > 0 || unit->control > 0;
        if (!left && all) {
            struct pids pids = unit_pids();
            left = pids.count > 0;
            free(pids.at);
        }
        if (!left)
            return true;
        uint64_t time = now();
        if (time >= unit->deadline)
            return false;
        uint64_t slice = time + SECOND / 5;
        wait_event(unit, all && slice < unit->deadline ? slice : unit->deadline);
    }
}

/* Return true if a timeout of `step`, start or stop, is answered by `mode`. */
static bool timeout_mode(const struct unit *unit, const char *step, const char *mode) {
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, "timeoutfailure", line)) != NULL;)
        if (strcmp(line->fields[0], step) == 0)
            return strcmp(line->fields[1], mode) == 0;
    return false;
}

/* End the processes: the signal `number`, then after `timeout` SIGKILL. */
static void end_processes(struct unit *unit, int number, uint64_t timeout, bool all) {
    if (is_mode(unit, "process") || is_mode(unit, "none"))
        all = false;
    bool any = signal_all(unit, number, number == SIGKILL);
    if (any && plan_yes(&unit->plan, "sendsighup") && number != SIGKILL)
        signal_all(unit, SIGHUP, false);
    if (is_mode(unit, "none") || !any)
        return;
    if (wait_end(unit, timeout, all && any))
        return;
    if (plan_is(&unit->plan, "sendsigkill", "no")) {
        say("processes are left after the stop timeout; SendSIGKILL=no keeps them");
        return;
    }
    if (number != SIGABRT && timeout_mode(unit, "stop", "abort")) {
        say("stop timed out; aborting");
        signal_all(unit, plan_signal(&unit->plan, "watchdogsignal", SIGABRT), true);
        if (wait_end(unit, plan_time(&unit->plan, "timeout", "abort", timeout), all))
            return;
    }
    say("stop timed out; killing");
    if (unit->result == RESULT_SUCCESS)
        unit->result = RESULT_TIMEOUT;
    signal_all(unit, plan_signal(&unit->plan, "finalkillsignal", SIGKILL), true);
    if (!wait_end(unit, 10 * SECOND, all))
        say("processes are left after SIGKILL; going on");
}

/* Return the signal that ends the unit after its result. */
static int end_signal(const struct unit *unit) {
    bool timeout = unit->result == RESULT_TIMEOUT;
    if (timeout && timeout_mode(unit, "start", "kill"))
        return SIGKILL;
    if (unit->result == RESULT_WATCHDOG || (timeout && timeout_mode(unit, "start", "abort")))
        return plan_signal(&unit->plan, "watchdogsignal", SIGABRT);
    int usual = plan_signal(&unit->plan, "killsignal", SIGTERM);
    return unit->depends_stop ? plan_signal(&unit->plan, "restartkillsignal", usual) : usual;
}

/* Stop the unit, from any step. `clean`: run ExecStop too. */
void stop_unit(struct unit *unit, bool clean) {
    uint64_t timeout = plan_time(&unit->plan, "timeout", "stop", 90 * SECOND);
    uint64_t aborts = plan_time(&unit->plan, "timeout", "abort", timeout);
    for (const struct line *line = NULL; clean && (line = plan_next(&unit->plan, "stop", line)) != NULL;) {
        enum result result = run_control(unit, line, STEP_STOP, timeout, false);
        if (result != RESULT_SUCCESS && unit->result == RESULT_SUCCESS)
            unit->result = result;
        if (result != RESULT_SUCCESS)
            break;
    }
    /* Forking without a known main process: all processes of the unit are the service. */
    bool all = !unit->main_known;
    end_processes(unit, end_signal(unit), unit->result == RESULT_WATCHDOG ? aborts : timeout, all);
    if (unit->result == RESULT_SUCCESS && unit->main_ended && !unit->main_ignored)
        unit->result = result_of(unit, unit->main_status, is_type(unit, "oneshot"));
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, "stoppost", line)) != NULL;) {
        enum result result = run_control(unit, line, STEP_STOP_POST, timeout, false);
        if (unit->control != 0) {
            kill(unit->control, SIGKILL);
            wait_end(unit, 10 * SECOND, false);
        }
        if (result != RESULT_SUCCESS && unit->result == RESULT_SUCCESS)
            unit->result = result;
        if (result != RESULT_SUCCESS)
            break;
    }
    /* With KillMode=mixed the other processes get SIGKILL alone. */
    end_processes(unit, is_mode(unit, "mixed") ? SIGKILL : SIGTERM, timeout, true);
    const char *pid_file = plan_text(&unit->plan, "pidfile", NULL);
    if (pid_file != NULL)
        unlink(pid_file);
    if (unit->sandbox.temporary != NULL)
        remove_tree(unit->sandbox.temporary);
    unit->sandbox.temporary = NULL;
    struct account account;
    int status;
    if (plan_yes(&unit->plan, "removeipc") &&
        find_account(&account, &unit->plan, unit->name, &status) == NULL)
        remove_ipc(account.uid);
    remove_cgroup();
}
