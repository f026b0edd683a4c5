/* The messages of a unit's processes at NOTIFY_SOCKET, as sd_notify(3) defines them.
 *
 * The kernel says which process sent a message (SCM_CREDENTIALS). NotifyAccess= says which may.
 */
#include "notify.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"

#define MOST_BYTES 4096

bool open_notify(struct unit *unit) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int yes = 1;
    char *path = format("%s/notify", unit->state);
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, path);
    unlink(path);
    unit->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return unit->notify >= 0 && setsockopt(unit->notify, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) == 0 &&
           bind(unit->notify, (struct sockaddr *)&address, sizeof address) == 0 && chmod(path, 0777) == 0;
}

/* Make `pid` the main process. One that is no child is watched by a pidfd. */
void set_main(struct unit *unit, pid_t pid) {
    siginfo_t info = {0};
    if (unit->main_watch >= 0)
        close(unit->main_watch);
    unit->main_watch = -1;
    unit->main = pid;
    unit->main_ended = false;
    unit->main_known = true;
    if (pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD)
        unit->main_watch = (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool may_notify(const struct unit *unit, pid_t pid) {
    const char *access = plan_text(&unit->plan, "notifyaccess", "none");
    if (strcmp(access, "none") == 0)
        access = starts_with(plan_text(&unit->plan, "type", ""), "notify") ? "main" : "none";
    if (strcmp(access, "none") == 0 || pid <= 0)
        return false;
    if (pid == unit->main)
        return true;
    if (strcmp(access, "main") == 0)
        return false;
    return pid == unit->control || (strcmp(access, "all") == 0 && in_unit(pid));
}

static void take_main_pid(struct unit *unit, const char *text, const struct ucred *sender) {
    uint64_t pid;
    if (!parse_number(text, INT32_MAX, &pid) || pid <= 1 || (pid_t)pid == getpid() ||
        kill((pid_t)pid, 0) != 0)
        say("a message names the main process %s, which does not exist; ignoring it", text);
    else if (sender->uid != 0 && !in_unit((pid_t)pid))
        say("a message names the main process %s, which is not of this unit; ignoring it", text);
    else if ((pid_t)pid != unit->main)
        set_main(unit, (pid_t)pid);
}

/* Act on one assignment of a message. */
static void take(struct unit *unit, const char *line, const struct ucred *sender) {
    uint64_t number;
    if (strcmp(line, "READY=1") == 0) {
        unit->ready = true;
        unit->watchdog_seen = now();
        if (unit->reloading)
            set_state(unit, "active");
        unit->reloading = false;
    } else if (strcmp(line, "RELOADING=1") == 0) {
        unit->reloading = true;
        if (unit->ready)
            set_state(unit, "reloading");
    } else if (strcmp(line, "STOPPING=1") == 0) {
        unit->stopping = true;
    } else if (strcmp(line, "WATCHDOG=1") == 0) {
        unit->watchdog_seen = now();
    } else if (strcmp(line, "WATCHDOG=trigger") == 0) {
        unit->watchdog_failed = true;
    } else if (starts_with(line, "MAINPID=")) {
        take_main_pid(unit, line + 8, sender);
    } else if (starts_with(line, "STATUS=")) {
        char *path = format("%s/status", unit->state), *text = format("%s\n", line + 7);
        replace_file(path, text);
        free(path);
        free(text);
    } else if (starts_with(line, "WATCHDOG_USEC=") && parse_number(line + 14, FOREVER / 2, &number)) {
        unit->watchdog = number;
        unit->watchdog_seen = now();
    } else if (starts_with(line, "EXTEND_TIMEOUT_USEC=") && parse_number(line + 20, FOREVER / 2, &number)) {
        uint64_t until = now() + number;
        if (unit->deadline != FOREVER && until > unit->deadline)
            unit->deadline = until;
    }
}

/* Close the descriptors that came with a message, and find its sender. */
static bool read_control(struct msghdr *message, struct ucred *sender) {
    bool found = false;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level != SOL_SOCKET)
            continue;
        if (at->cmsg_type == SCM_RIGHTS) {
            size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t each = 0; each < count; each++) {
                int fd;
                memcpy(&fd, CMSG_DATA(at) + each * sizeof fd, sizeof fd);
                close(fd);
            }
        } else if (at->cmsg_type == SCM_CREDENTIALS && at->cmsg_len >= CMSG_LEN(sizeof *sender)) {
            memcpy(sender, CMSG_DATA(at), sizeof *sender);
            found = true;
        }
    }
    return found;
}

/* Read and act on all waiting messages. */
void read_notify(struct unit *unit) {
    for (;;) {
        char bytes[MOST_BYTES + 1];
        union {
            char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 253)];
            struct cmsghdr align;
        } control;
        struct iovec part = {bytes, MOST_BYTES};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        struct ucred sender;
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        ssize_t length = recvmsg(unit->notify, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (length < 0)
            return;
        bool known = read_control(&message, &sender);
        if (!known || (message.msg_flags & MSG_TRUNC) != 0 || !may_notify(unit, sender.pid))
            continue;
        bytes[length] = '\0';
        for (char *line = strtok(bytes, "\n"); line != NULL; line = strtok(NULL, "\n"))
            take(unit, line, &sender);
    }
}
