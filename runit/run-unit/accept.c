/* Connections of a unit whose socket has Accept=yes: each gets a process of its own, as under inetd. */
#include "accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "events.h"
#include "exec.h"

/* Return the number of processes that serve connections. */
static size_t count_processes(const struct unit *unit) {
    size_t count = 0;
    for (size_t at = 0; at < MOST_CONNECTIONS; at++)
        count += unit->connections[at] > 0;
    return count;
}

static void serve(struct unit *unit, int connection, const struct line *command) {
    struct sockets listening = unit->sockets;
    size_t place = 0;
    while (place < MOST_CONNECTIONS && unit->connections[place] > 0)
        place++;
    uint64_t most = strtoull(plan_text(&unit->plan, "accept", "64"), NULL, 10);
    if (place == MOST_CONNECTIONS || count_processes(unit) >= most) {
        say("too many connections; refused one");
        close(connection);
        return;
    }
    unit->sockets =
        (struct sockets){.fds = {connection}, .names = {"connection"}, .count = 1, .listening = 1};
    pid_t pid = spawn(unit, command, STEP_START);
    unit->sockets = listening;
    close(connection);
    if (pid == 0)
        say("cannot start %s: %s", command->fields[1], strerror(errno));
    else
        unit->connections[place] = pid;
}

/* Serve connections until the unit stops. Return true, as its ExecStop commands are to run then. */
bool serve_connections(struct unit *unit) {
    const struct line *command = plan_last(&unit->plan, "start");
    unit->accepting = true;
    while (!unit->stop && !unit->depends_stop && command != NULL) {
        wait_event(unit, FOREVER);
        for (size_t at = 0; at < unit->sockets.listening && !unit->stop; at++) {
            int connection = accept4(unit->sockets.fds[at], NULL, NULL, SOCK_CLOEXEC);
            if (connection >= 0)
                serve(unit, connection, command);
        }
    }
    unit->accepting = false;
    return true;
}
