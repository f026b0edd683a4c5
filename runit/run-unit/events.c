/* The events that a unit waits for: signals, ended processes, messages, and changes of other services. */
#include "events.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "depends.h"
#include "notify.h"

static const int handled[] = {SIGCHLD, SIGTERM, SIGHUP,  SIGUSR1,  SIGUSR2,
                              SIGINT,  SIGQUIT, SIGALRM, SIGWINCH, SIGCONT};

/* Receive signals by a descriptor from now on. */
void open_events(struct unit *unit) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t at = 0; at < sizeof handled / sizeof *handled; at++)
        sigaddset(&set, handled[at]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    unit->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    unit->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

/* Collect all ended children. Those that are neither the main process nor a command are only reaped. */
static void reap(struct unit *unit) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == unit->main) {
            unit->main = 0;
            unit->main_ended = true;
            unit->main_status = status;
        }
        for (size_t at = 0; unit->accepting && at < MOST_CONNECTIONS; at++)
            if (unit->connections[at] == pid)
                unit->connections[at] = 0;
        if (pid == unit->control) {
            unit->control = 0;
            unit->control_status = status;
        }
    }
}

static void take_signals(struct unit *unit) {
    struct signalfd_siginfo info;
    while (read(unit->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGTERM)
            unit->stop = true;
        else if (number == SIGHUP)
            unit->reload = true;
        else if (number == SIGINT && unit->once)
            unit->stop = true;
        else if (number != SIGCHLD && number != SIGCONT && unit->main > 0)
            kill(unit->main, number);
    }
}

/* Take note of the end of a main process that was no child. If it became one, it has been reaped with its
 * status. Else its status is unknown and counts as success.
 */
static void end_main(struct unit *unit) {
    struct pollfd watch = {.fd = unit->main_watch, .events = POLLIN};
    if (unit->main != 0 && poll(&watch, 1, 0) != 1)
        return; /* a message has just named another one */
    close(unit->main_watch);
    unit->main_watch = -1;
    if (unit->main == 0)
        return;
    unit->main = 0;
    unit->main_ended = true;
    unit->main_status = 0;
}

/* Wait until something happens, at most until the time `until`, and take note of all that has happened. */
void wait_event(struct unit *unit, uint64_t until) {
    struct pollfd each[5 + MOST_SOCKETS] = {
        {.fd = unit->signals, .events = POLLIN},   {.fd = unit->notify, .events = POLLIN},
        {.fd = unit->inotify, .events = POLLIN},   {.fd = unit->main_watch, .events = POLLIN},
        {.fd = unit->exec_pipe, .events = POLLIN},
    };
    nfds_t count = 5;
    for (size_t at = 0; unit->accepting && at < unit->sockets.listening; at++)
        each[count++] = (struct pollfd){.fd = unit->sockets.fds[at], .events = POLLIN};
    uint64_t time = now();
    struct timespec left = {0};
    if (until != FOREVER && until > time) {
        left.tv_sec = (time_t)((until - time) / SECOND);
        left.tv_nsec = (long)((until - time) % SECOND) * 1000;
    }
    if (ppoll(each, count, until == FOREVER ? NULL : &left, NULL) < 0 && errno != EINTR)
        return;
    /* Messages first: their sender may have ended since. */
    if (unit->notify >= 0)
        read_notify(unit);
    take_signals(unit);
    if ((each[4].revents & (POLLIN | POLLHUP)) != 0) {
        close(unit->exec_pipe);
        unit->exec_pipe = -1;
        unit->program_started = true;
    }
    reap(unit);
    if ((each[3].revents & POLLIN) != 0 && unit->main_watch >= 0)
        end_main(unit);
    if ((each[2].revents & POLLIN) != 0)
        take_changes(unit);
}
