/* Standard input, output and error of a command: StandardInput=, StandardOutput=, StandardError=. */
#include "stdio_of.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exec.h"
#include "status.h"
#include "terminal.h"

/* Make `fd` a copy of `from`, which is closed if it is another one. */
static bool place(int from, int fd) {
    if (from < 0)
        return false;
    if (from == fd)
        return fcntl(fd, F_SETFD, 0) == 0;
    bool done = dup2(from, fd) == fd;
    if (from > 2)
        close(from);
    return done;
}

/* Return a copy of the socket called `name`, of the first one for "". */
static int socket_named(const struct unit *unit, const char *name) {
    for (size_t at = 0; at < unit->sockets.count; at++)
        if (*name == '\0' || strcmp(unit->sockets.names[at], name) == 0) {
            int fd = fcntl(unit->sockets.fds[at], F_DUPFD_CLOEXEC, 3);
            if (fd >= 0)
                set_blocking(fd, true);
            return fd;
        }
    errno = ENOENT;
    return -1;
}

static int open_terminal(const struct plan *plan, int flags) {
    int fd = open(plan_text(plan, "tty", "/dev/console"), flags | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        ioctl(fd, TIOCSCTTY, 1);
    return fd;
}

static int open_data(const struct plan *plan) {
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    for (const struct line *line = NULL; fd >= 0 && (line = plan_next(plan, "stdindata", line)) != NULL;)
        if (write(fd, line->fields[0], strlen(line->fields[0])) < 0)
            return -1;
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static bool open_input(const struct plan *plan, const struct unit *unit) {
    const char *value = plan_text(plan, "stdin", "null");
    if (starts_with(value, "file:"))
        return place(open(value + 5, O_RDWR | O_CREAT | O_NOCTTY | O_CLOEXEC, 0644), 0) ||
               place(open(value + 5, O_RDONLY | O_NOCTTY | O_CLOEXEC), 0);
    if (starts_with(value, "tty"))
        return place(open_terminal(plan, O_RDWR), 0);
    if (strcmp(value, "data") == 0)
        return place(open_data(plan), 0);
    if (strcmp(value, "socket") == 0 || starts_with(value, "fd:"))
        return place(socket_named(unit, *value == 'f' ? value + 3 : ""), 0);
    return place(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

/* Open a file for output. Its parents are not made, as in systemd. */
static int open_file(const char *path, int flags) {
    return open(path, O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC | flags, 0644);
}

static bool open_output(const struct plan *plan, const struct unit *unit, const char *value, int fd) {
    if (strcmp(value, "null") == 0)
        return place(open("/dev/null", O_WRONLY | O_CLOEXEC), fd);
    if (starts_with(value, "file:"))
        return place(open_file(value + 5, 0), fd);
    if (starts_with(value, "append:"))
        return place(open_file(value + 7, O_APPEND), fd);
    if (starts_with(value, "truncate:"))
        return place(open_file(value + 9, O_TRUNC), fd);
    if (strcmp(value, "tty") == 0)
        return place(open_terminal(plan, O_WRONLY), fd);
    if (strcmp(value, "socket") == 0 || starts_with(value, "fd:"))
        return place(socket_named(unit, *value == 'f' ? value + 3 : ""), fd);
    if (starts_with(value, "kmsg"))
        return place(open("/dev/kmsg", O_WRONLY | O_CLOEXEC), fd);
    if (strcmp(value, "inherit") == 0)
        return dup2(fd == 2                                                        ? 1
                    : plan_is(plan, "stdin", "") || plan_is(plan, "stdin", "null") ? log_fd
                                                                                   : 0,
                    fd) == fd;
    return dup2(log_fd, fd) == fd; /* the journal: the log of the service */
}

/* Open the three; `status` is 0 or an exit status, with errno set. */
void open_stdio(const struct plan *plan, const struct unit *unit, int *status) {
    *status = 0;
    prepare_terminal(plan);
    if (!open_input(plan, unit))
        *status = STATUS_STDIN;
    else if (!open_output(plan, unit, plan_text(plan, "stdout", "journal"), 1))
        *status = STATUS_STDOUT;
    else if (!open_output(plan, unit, plan_text(plan, "stderr", "inherit"), 2))
        *status = STATUS_STDERR;
}
