/* A command of a unit: the process that becomes it, from fork to execve.
 *
 * The order is that of exec_invoke() in systemd's src/core/exec-invoke.c. A step that fails prints one line
 * and ends the process with the status of systemd.exec(5), "Process Exit Codes".
 */
#include "exec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "directories.h"
#include "environment.h"
#include "expand.h"
#include "limits.h"
#include "namespaces.h"
#include "privileges.h"
#include "status.h"
#include "stdio_of.h"

/* The process that becomes a command. */
struct command {
    const struct unit *unit;
    const struct plan *plan;
    const struct line *line;
    enum step step;
    struct account account;
    struct words environment;
    bool set_user, sandboxed; /* false for the prefixes ! and + */
    bool main;
};

static _Noreturn void give_up(int status, const char *what) {
    if (what != NULL)
        say("step %s: %s: %s", status_name(status), what, strerror(errno));
    _exit(status);
}

static void reset_signals(const struct plan *plan) {
    sigset_t none;
    for (int number = 1; number < _NSIG; number++)
        signal(number, SIG_DFL);
    if (!plan_is(plan, "ignoresigpipe", "no"))
        signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
        give_up(STATUS_SIGNAL_MASK, "sigprocmask");
}

/* Return true for a shell that lets nobody in, which is not in the environment. */
static bool is_no_shell(const char *path) {
    const char *name = strrchr(path, '/');
    name = name != NULL ? name + 1 : path;
    return strcmp(name, "nologin") == 0 || strcmp(name, "false") == 0 || strcmp(name, "true") == 0;
}

/* Set REMOTE_ADDR and REMOTE_PORT to the peer of a connection. */
static void add_peer(struct words *environment, int connection) {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } peer;
    socklen_t length = sizeof peer;
    char text[INET6_ADDRSTRLEN];
    if (getpeername(connection, &peer.any, &length) != 0 || peer.any.sa_family == AF_UNIX)
        return;
    bool six = peer.any.sa_family == AF_INET6;
    if ((!six && peer.any.sa_family != AF_INET) ||
        inet_ntop(peer.any.sa_family, six ? (void *)&peer.six.sin6_addr : (void *)&peer.four.sin_addr, text,
                  sizeof text) == NULL)
        return;
    set_variable(environment, "REMOTE_ADDR", starts_with(text, "::ffff:") ? text + 7 : text);
    set_variable(environment, "REMOTE_PORT",
                 format("%u", ntohs(six ? peer.six.sin6_port : peer.four.sin_port)));
}

/* Set the variables that come before those of the plan. */
static void set_environment(struct command *command) {
    const struct unit *unit = command->unit;
    struct words *environment = &command->environment;
    const struct account *account = &command->account;
    base_environment(environment);
    if (strcmp(plan_text(command->plan, "notifyaccess", "none"), "none") != 0 ||
        starts_with(plan_text(command->plan, "type", ""), "notify"))
        set_variable(environment, "NOTIFY_SOCKET", format("%s/notify", unit->state));
    if (unit->main > 0 && !command->main)
        set_variable(environment, "MAINPID", format("%d", (int)unit->main));
    if (command->main && plan_has(command->plan, "pidfile"))
        set_variable(environment, "PIDFILE", plan_text(command->plan, "pidfile", ""));
    if (command->step >= STEP_STOP) {
        set_variable(environment, "SERVICE_RESULT", result_name(unit->result));
        if (unit->main_ended) {
            int status = unit->main_status;
            bool exited = WIFEXITED(status);
            set_variable(environment, "EXIT_CODE",
                         exited              ? "exited"
                         : WCOREDUMP(status) ? "dumped"
                                             : "killed");
            set_variable(environment, "EXIT_STATUS",
                         exited ? format("%d", WEXITSTATUS(status)) : signal_name(WTERMSIG(status)));
        }
    }
    if (account->given || plan_yes(command->plan, "setloginenv")) {
        if (account->home != NULL && strcmp(account->home, "/") != 0)
            set_variable(environment, "HOME", account->home);
        const char *name = account->name != NULL ? account->name : "root";
        set_variable(environment, "LOGNAME", name);
        set_variable(environment, "USER", name);
        if (account->shell != NULL && !is_no_shell(account->shell))
            set_variable(environment, "SHELL", account->shell);
    }
    set_variable(environment, "INVOCATION_ID", unit->invocation);
    set_variable(environment, "SYSTEMD_EXEC_PID", format("%d", (int)getpid()));
    if (command->main && unit->watchdog > 0) {
        set_variable(environment, "WATCHDOG_PID", format("%d", (int)getpid()));
        set_variable(environment, "WATCHDOG_USEC", format("%llu", (unsigned long long)unit->watchdog));
    }
    if (command->main && unit->sockets.count > 0) {
        char *names = copy(unit->sockets.names[0]);
        for (size_t at = 1; at < unit->sockets.count; at++)
            names = format("%s:%s", names, unit->sockets.names[at]);
        set_variable(environment, "LISTEN_PID", format("%d", (int)getpid()));
        set_variable(environment, "LISTEN_FDS", format("%zu", unit->sockets.count));
        set_variable(environment, "LISTEN_FDNAMES", names);
    }
    if (command->main && unit->accepting)
        add_peer(environment, unit->sockets.fds[0]);
    add_directory_variables(environment, command->plan);
    char *problem = add_plan_environment(environment, command->plan);
    if (problem != NULL) {
        say("cannot read the environment: %s", problem);
        _exit(1);
    }
}

static void set_keyring(const struct command *command) {
    const char *mode = plan_text(command->plan, "keyring", "private");
    if (strcmp(mode, "inherit") == 0)
        return;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) < 0) {
        if (errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EDQUOT)
            return; /* the kernel has no keys */
        give_up(STATUS_KEYRING, "new keyring");
    }
    if (strcmp(mode, "shared") == 0)
        syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING, 0, 0);
}

static void set_groups(const struct command *command) {
    const struct account *account = &command->account;
    if (!account->has_groups)
        return;
    if (setgroups(account->group_count, account->groups) != 0)
        give_up(STATUS_GROUP, "setgroups");
    if ((account->given || plan_has(command->plan, "group")) &&
        setresgid(account->gid, account->gid, account->gid) != 0)
        give_up(STATUS_GROUP, "setresgid");
}

/* Return the path of the program; a name without slash is searched in the PATH of the environment. */
static const char *find_program(const struct command *command) {
    const char *program = command->line->fields[1];
    if (strchr(program, '/') != NULL)
        return program;
    const char *path = find_variable(&command->environment, "PATH", 4);
    for (const char *at = path; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ":");
        char *candidate = format("%.*s/%s", (int)length, at, program);
        if (access(candidate, X_OK) == 0)
            return candidate;
        at += length + (at[length] == ':');
    }
    errno = ENOENT;
    give_up(STATUS_EXEC, program);
}

bool set_blocking(int fd, bool blocks) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0;
}

/* Put the sockets at descriptor 3 and following. All others close when the program starts. */
static void arrange_descriptors(const struct command *command, int *pipe) {
    int count = command->main ? (int)command->unit->sockets.count : 0, first = FIRST_SOCKET + count;
    int held[MOST_SOCKETS];
    *pipe = fcntl(*pipe, F_DUPFD_CLOEXEC, first);
    log_fd = fcntl(log_fd, F_DUPFD_CLOEXEC, first);
    if (*pipe < 0 || log_fd < 0)
        _exit(STATUS_FDS);
    for (int at = 0; at < count; at++)
        if ((held[at] = fcntl(command->unit->sockets.fds[at], F_DUPFD_CLOEXEC, first)) < 0)
            give_up(STATUS_FDS, "sockets");
    for (int at = 0; at < count; at++)
        if (dup2(held[at], FIRST_SOCKET + at) < 0 ||
            !set_blocking(FIRST_SOCKET + at, !plan_yes(command->plan, "nonblocking")))
            give_up(STATUS_FDS, "sockets");
    if (syscall(SYS_close_range, first, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0)
        for (int fd = first; fd < 4096; fd++)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void change_folder(const struct command *command) {
    const struct line *line = plan_last(command->plan, "cwd");
    const char *path = line != NULL ? line->fields[1] : "/";
    if (strcmp(path, "~") == 0)
        path = command->account.home != NULL ? command->account.home : "/root";
    if (chdir(path) == 0)
        return;
    if (line == NULL || strchr(line->fields[0], '-') == NULL)
        give_up(STATUS_CHDIR, path);
    if (chdir("/") != 0)
        give_up(STATUS_CHDIR, "/");
}

/* Become the command. `pipe` gets the status of a failure, and closes when the program starts. */
static _Noreturn void become(struct command *command, int pipe) {
    const struct plan *plan = command->plan;
    int status;
    reset_signals(plan);
    setsid();
    if (!enter_cgroup())
        give_up(STATUS_CGROUP, "cannot enter the control group");
    char *problem = find_account(&command->account, plan, command->unit->name, &status);
    if (problem != NULL) {
        say("step %s: %s", status_name(status), problem);
        _exit(status);
    }
    open_stdio(plan, command->unit, &status);
    if (status == 0)
        status = set_scheduling(plan);
    if (status != 0)
        give_up(status, command->line->fields[1]);
    if (!make_directories(plan, &command->account, &status))
        _exit(status);
    set_environment(command);
    mode_t mask = (mode_t)strtoul(plan_text(plan, "umask", "0022"), NULL, 8) & 0777;
    set_keyring(command);
    umask(0022);
    bool filters = command->sandboxed && command->unit->seccomp != NULL;
    struct sock_fprog filter;
    /* The sandbox may hide its file. */
    if (filters && (status = read_filter(&filter, command->unit->seccomp)) != 0)
        give_up(status, command->unit->seccomp);
    if (command->sandboxed) {
        status = enter_namespaces(command->unit);
        if (status == 0)
            status = enter_sandbox(&command->unit->sandbox, plan, &command->account);
        if (status != 0)
            give_up(status,
                    status == STATUS_NAMESPACE ? "mount namespace" : plan_text(plan, "root", "namespace"));
    }
    umask(mask);
    if (command->set_user)
        set_groups(command);
    const char *users = plan_text(plan, "privateusers", "no");
    if (command->sandboxed && strcmp(users, "no") != 0 && !enter_user_namespace(&command->account, users))
        give_up(STATUS_USER, "user namespace");
    const char *program = find_program(command);
    arrange_descriptors(command, &pipe);
    status = set_limits(plan);
    if (status == 0)
        status = drop_privileges(plan, &command->account, command->unit->seccomp != NULL, command->set_user,
                                 command->sandboxed);
    if (status != 0)
        give_up(status, command->line->fields[1]);
    change_folder(command);
    char **arguments = command->line->fields + 2;
    if (strchr(command->line->fields[0], ':') == NULL)
        arguments = expand_arguments(arguments, &command->environment).at;
    char *bare[] = {(char *)program, NULL};
    if (arguments == NULL || arguments[0] == NULL)
        arguments = bare;
    if (filters && (status = install_filter(&filter)) != 0)
        give_up(status, command->unit->seccomp);
    execve(program, arguments, command->environment.at);
    give_up(STATUS_EXEC, program);
}

/* Start a command. Return its process id; 0 with errno set on failure. unit->exec_pipe ends when its program
 * has started.
 */
pid_t spawn(struct unit *unit, const struct line *command, enum step step) {
    int ends[2];
    if (unit->exec_pipe >= 0)
        close(unit->exec_pipe);
    unit->exec_pipe = -1;
    unit->program_started = false;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        const char *flags = command->fields[0];
        bool full = strchr(flags, '+') != NULL;
        struct command made = {
            .unit = unit,
            .plan = &unit->plan,
            .line = command,
            .step = step,
            .set_user = !full && strchr(flags, '!') == NULL,
            .sandboxed = !full,
            .main = step == STEP_START,
        };
        become(&made, ends[1]);
    }
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = error;
        return 0;
    }
    unit->exec_pipe = ends[0];
    return pid;
}
