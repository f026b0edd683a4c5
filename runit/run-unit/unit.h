/* The unit that this process runs: its plan, its processes and its state. */
#ifndef UNIT_H
#define UNIT_H
#include "accounts.h"
#include "plan.h"
#include "sandbox.h"
#include "sockets.h"

#define MOST_CONNECTIONS 512

enum result {
    RESULT_SUCCESS,
    RESULT_RESOURCES,
    RESULT_PROTOCOL,
    RESULT_TIMEOUT,
    RESULT_EXIT_CODE,
    RESULT_SIGNAL,
    RESULT_CORE_DUMP,
    RESULT_WATCHDOG,
    RESULT_START_LIMIT,
    RESULT_OOM_KILL,
    RESULT_CONDITION, /* ExecCondition= */
};

struct unit {
    struct plan plan;
    const char *name, *service; /* nginx.service, and the name of the folder */
    const char *folder, *state; /* of the plan; /run/runit/NAME.unit */
    bool once;                  /* run by a timer, not by runsv */
    const char *seccomp;        /* the filter's path, or NULL */
    struct sockets sockets;
    struct sandbox sandbox;
    int network, ipc; /* descriptors of private namespaces, or -1 */
    char invocation[33];

    pid_t main, control; /* 0 for none */
    int main_watch;      /* a pidfd if the main process is no child, else -1 */
    int exec_pipe;       /* ends when the last command has started its program, else -1 */
    bool accepting;      /* the sockets get connections, each served by a process */
    pid_t connections[MOST_CONNECTIONS];
    bool main_ended, main_known;
    int main_status, control_status;
    bool main_ignored; /* its command has the prefix - */
    bool program_started;

    bool stop;                       /* TERM */
    bool reload;                     /* HUP */
    bool waits;                      /* for services before its start */
    bool depends_stop;               /* a service that this one needs was stopped */
    bool ready, reloading, stopping; /* of notifications */
    bool watchdog_failed;
    uint64_t watchdog; /* interval, 0 for none */
    uint64_t watchdog_seen;
    uint64_t deadline; /* of the step that runs */

    enum result result;
    int signals, notify, inotify; /* descriptors */
};

const char *result_name(enum result result);
void set_state(const struct unit *unit, const char *state);
bool is_type(const struct unit *unit, const char *type);
#endif
