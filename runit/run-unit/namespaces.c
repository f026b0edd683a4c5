/* The namespaces of a unit: network and IPC, which all its commands share, host name and users. */
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "status.h"

static void start_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        say("cannot set up the loopback interface: %s", strerror(errno));
    close(fd);
}

/* Return a descriptor of a new namespace, and come back to the present one; -1 with a note on failure. */
static int make_namespace(const char *name, int flag) {
    char *path = format("/proc/self/ns/%s", name);
    int had = open(path, O_RDONLY | O_CLOEXEC), new = -1;
    if (had < 0 || unshare(flag) != 0) {
        say("this kernel makes no %s namespace (%s); ignoring it", name, strerror(errno));
    } else {
        if (flag == CLONE_NEWNET)
            start_loopback();
        new = open(path, O_RDONLY | O_CLOEXEC);
        if (setns(had, flag) != 0) {
            say("cannot leave the %s namespace: %s", name, strerror(errno));
            _exit(STATUS_NETWORK);
        }
    }
    if (had >= 0)
        close(had);
    return new;
}

/* Make the namespaces that all commands of the unit share. */
bool make_namespaces(struct unit *unit) {
    if (plan_yes(&unit->plan, "privatenetwork") && unit->network < 0)
        unit->network = make_namespace("net", CLONE_NEWNET);
    if (plan_yes(&unit->plan, "privateipc") && unit->ipc < 0)
        unit->ipc = make_namespace("ipc", CLONE_NEWIPC);
    return true;
}

/* Enter the unit's namespaces. Return 0 or an exit status, with errno set. */
int enter_namespaces(const struct unit *unit) {
    if (unit->network >= 0 && setns(unit->network, CLONE_NEWNET) != 0)
        return STATUS_NETWORK;
    if (unit->ipc >= 0 && setns(unit->ipc, CLONE_NEWIPC) != 0)
        return STATUS_NAMESPACE;
    if (plan_yes(&unit->plan, "protecthostname") && unshare(CLONE_NEWUTS) != 0)
        say("this kernel makes no UTS namespace (%s); ignoring ProtectHostname", strerror(errno));
    return 0;
}

/* Enter a new user namespace, in which root and the account's user and group are themselves and no other
 * exists; more exist for the kinds identity and full. A helper outside of it writes the maps.
 */
bool enter_user_namespace(const struct account *account, const char *kind) {
    int entered[2], status = 0;
    char byte = 0;
    if (pipe2(entered, O_CLOEXEC) != 0)
        return false;
    pid_t self = getpid(), helper = fork();
    if (helper < 0)
        return false;
    if (helper == 0) {
        close(entered[1]);
        if (read(entered[0], &byte, 1) != 1)
            _exit(0);
        for (int at = 0; at < 2; at++) {
            unsigned id = at == 0 ? account->uid : account->gid;
            char *map = id != 0 ? format("0 0 1\n%u %u 1\n", id, id) : copy("0 0 1\n");
            if (strcmp(kind, "identity") == 0)
                map = copy("0 0 65536\n");
            else if (strcmp(kind, "full") == 0)
                map = copy("0 0 4294967295\n");
            if (!write_file(format("/proc/%d/%s", (int)self, at == 0 ? "uid_map" : "gid_map"), map))
                _exit(errno);
        }
        _exit(0);
    }
    close(entered[0]);
    bool done = unshare(CLONE_NEWUSER) == 0;
    int error = errno;
    if (done && write(entered[1], &byte, 1) != 1)
        done = false;
    close(entered[1]);
    while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
        ;
    if (!done && (error == EINVAL || error == ENOSPC || error == EPERM || error == ENOSYS)) {
        say("this kernel makes no user namespace (%s); ignoring PrivateUsers", strerror(error));
        return true;
    }
    errno = done ? WEXITSTATUS(status) : error;
    return done && status == 0;
}
