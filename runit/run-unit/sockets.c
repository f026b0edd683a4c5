/* The sockets of a unit, which its start commands inherit (sd_listen_fds(3), systemd.socket(5)).
 *
 * A line has the kind, the address, the name of the descriptor and options like mode=0660.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "accounts.h"
#include "directories.h"

union address {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_nl netlink;
    struct sockaddr_vm machine;
};

/* Options that are one integer of setsockopt. */
static const struct {
    const char *name;
    int level, option;
} integers[] = {
    {"reuseport", SOL_SOCKET, SO_REUSEPORT},
    {"freebind", IPPROTO_IP, IP_FREEBIND},
    {"transparent", IPPROTO_IP, IP_TRANSPARENT},
    {"broadcast", SOL_SOCKET, SO_BROADCAST},
    {"keepalive", SOL_SOCKET, SO_KEEPALIVE},
    {"keepalivetime", IPPROTO_TCP, TCP_KEEPIDLE},
    {"keepaliveinterval", IPPROTO_TCP, TCP_KEEPINTVL},
    {"keepaliveprobes", IPPROTO_TCP, TCP_KEEPCNT},
    {"nodelay", IPPROTO_TCP, TCP_NODELAY},
    {"deferaccept", IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {"priority", SOL_SOCKET, SO_PRIORITY},
    {"mark", SOL_SOCKET, SO_MARK},
    {"rcvbuf", SOL_SOCKET, SO_RCVBUF},
    {"sndbuf", SOL_SOCKET, SO_SNDBUF},
    {"tos", IPPROTO_IP, IP_TOS},
    {"ttl", IPPROTO_IP, IP_TTL},
    {"passcred", SOL_SOCKET, SO_PASSCRED},
    {"passsec", SOL_SOCKET, SO_PASSSEC},
    {"passpktinfo", IPPROTO_IP, IP_PKTINFO},
    {"timestamping", SOL_SOCKET, SO_TIMESTAMPNS},
};

static const char *option(const struct line *line, const char *name) {
    size_t length = strlen(name);
    for (size_t at = 3; at < line->count; at++)
        if (strncmp(line->fields[at], name, length) == 0 && line->fields[at][length] == '=')
            return line->fields[at] + length + 1;
    return NULL;
}

static mode_t mode_of(const struct line *line, const char *name, mode_t otherwise) {
    const char *text = option(line, name);
    return text != NULL ? (mode_t)strtoul(text, NULL, 8) & 07777 : otherwise;
}

static bool refuse(int error) {
    errno = error;
    return false;
}

/* Read an address of a stream, datagram or sequential socket: a path, @NAME, vsock:CID:PORT, PORT, IPv4:PORT,
 * [IPv6]:PORT or [IPv6]:PORT%INTERFACE.
 */
static bool parse_address(const char *text, union address *address, socklen_t *length) {
    uint64_t port;
    memset(address, 0, sizeof *address);
    if (*text == '/' || *text == '@') {
        size_t size = strlen(text);
        if (size >= sizeof address->local.sun_path)
            return refuse(ENAMETOOLONG);
        address->local.sun_family = AF_UNIX;
        memcpy(address->local.sun_path, text, size);
        if (*text == '@')
            address->local.sun_path[0] = '\0';
        *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (*text == '/'));
        return true;
    }
    if (starts_with(text, "vsock:")) {
        const char *middle = strchr(text + 6, ':');
        address->machine.svm_family = AF_VSOCK;
        address->machine.svm_cid =
            middle != NULL && middle > text + 6 ? (unsigned)strtoul(text + 6, NULL, 10) : VMADDR_CID_ANY;
        address->machine.svm_port = (unsigned)strtoul(middle != NULL ? middle + 1 : "", NULL, 10);
        *length = sizeof address->machine;
        return middle != NULL || refuse(EINVAL);
    }
    char *host = copy(text), *scope = strchr(host, '%'), *colon;
    if (scope != NULL)
        *scope++ = '\0';
    colon = strrchr(host, ':');
    if (!parse_number(colon != NULL ? colon + 1 : host, 65535, &port))
        return refuse(EINVAL);
    if (colon != NULL)
        *colon = '\0';
    if (colon != NULL && host[0] != '[') {
        address->four.sin_family = AF_INET;
        address->four.sin_port = htons((uint16_t)port);
        *length = sizeof address->four;
        return inet_pton(AF_INET, host, &address->four.sin_addr) == 1 || refuse(EINVAL);
    }
    address->six.sin6_family = AF_INET6;
    address->six.sin6_port = htons((uint16_t)port);
    *length = sizeof address->six;
    if (colon == NULL)
        return true;
    if (host[strlen(host) - 1] != ']')
        return refuse(EINVAL);
    host[strlen(host) - 1] = '\0';
    if (scope != NULL) {
        uint64_t number = if_nametoindex(scope);
        if (number == 0 && !parse_number(scope, INT32_MAX, &number))
            return refuse(ENODEV);
        address->six.sin6_scope_id = (uint32_t)number;
    }
    return inet_pton(AF_INET6, host + 1, &address->six.sin6_addr) == 1 || refuse(EINVAL);
}

static bool set_options(int fd, const struct line *line, const union address *address) {
    const char *text;
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    for (size_t at = 0; at < sizeof integers / sizeof *integers; at++) {
        if ((text = option(line, integers[at].name)) == NULL)
            continue;
        int value = strcmp(text, "yes") == 0 ? 1 : atoi(text);
        /* Root may exceed the limits of net.core. */
        int forced = integers[at].level != SOL_SOCKET   ? 0
                     : integers[at].option == SO_RCVBUF ? SO_RCVBUFFORCE
                     : integers[at].option == SO_SNDBUF ? SO_SNDBUFFORCE
                                                        : 0;
        if (forced != 0 && setsockopt(fd, SOL_SOCKET, forced, &value, sizeof value) == 0)
            continue;
        if (setsockopt(fd, integers[at].level, integers[at].option, &value, sizeof value) != 0)
            say("socket %s: cannot set %s: %s; ignoring it", line->fields[1], integers[at].name,
                strerror(errno));
    }
    if ((text = option(line, "congestion")) != NULL)
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, (socklen_t)strlen(text));
    if (address->any.sa_family == AF_INET6 && (text = option(line, "v6only")) != NULL &&
        strcmp(text, "default") != 0) {
        int only = strcmp(text, "ipv6-only") == 0 || strcmp(text, "yes") == 0;
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0)
            return false;
    }
    text = option(line, "bindtodevice");
    return text == NULL ||
           setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, text, (socklen_t)strlen(text) + 1) == 0;
}

/* Set the owner of a socket's or pipe's file, and make the links to it. An account that owns the folder may
 * have replaced the file by a link: that is not followed.
 */
static bool own_file(const struct line *line, const char *path) {
    const char *user = option(line, "user"), *group = option(line, "group");
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    if ((user != NULL && !find_uid(user, &uid)) || (group != NULL && !find_gid(group, &gid)))
        return refuse(EINVAL);
    if (user != NULL && group == NULL) {
        struct plan none = {0};
        struct line named = {"user", (char *[]){(char *)user, NULL}, 1, 0};
        struct account account;
        int status;
        none.lines = &named;
        none.count = 1;
        if (find_account(&account, &none, "", &status) == NULL)
            gid = account.gid;
    }
    if (lchown(path, uid, gid) != 0)
        return false;
    for (size_t at = 3; at < line->count; at++)
        if (starts_with(line->fields[at], "symlink=")) {
            const char *link = line->fields[at] + 8;
            make_parents(link, 0755);
            if (symlink(path, link) != 0 && errno == EEXIST) {
                unlink(link);
                if (symlink(path, link) != 0)
                    say("socket %s: cannot make the link %s: %s", path, link, strerror(errno));
            }
        }
    return true;
}

static int open_pipe(const struct line *line) {
    const char *path = line->fields[1];
    mode_t mask = umask(0);
    make_parents(path, mode_of(line, "dirmode", 0755));
    bool made = mkfifo(path, mode_of(line, "mode", 0666)) == 0 || errno == EEXIST;
    umask(mask);
    int fd = made ? open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY) : -1;
    struct stat found;
    const char *size = option(line, "pipesize");
    if (fd >= 0 && size != NULL && fcntl(fd, F_SETPIPE_SZ, atoi(size)) < 0)
        say("socket %s: cannot set pipesize: %s; ignoring it", path, strerror(errno));
    if (fd >= 0 && (fstat(fd, &found) != 0 || !S_ISFIFO(found.st_mode) || !own_file(line, path))) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_netlink(const struct line *line) {
    static const struct {
        const char *name;
        int protocol;
    } families[] = {{"route", NETLINK_ROUTE},
                    {"firewall", NETLINK_FIREWALL},
                    {"inet-diag", NETLINK_INET_DIAG},
                    {"nflog", NETLINK_NFLOG},
                    {"xfrm", NETLINK_XFRM},
                    {"selinux", NETLINK_SELINUX},
                    {"iscsi", NETLINK_ISCSI},
                    {"audit", NETLINK_AUDIT},
                    {"fib-lookup", NETLINK_FIB_LOOKUP},
                    {"connector", NETLINK_CONNECTOR},
                    {"netfilter", NETLINK_NETFILTER},
                    {"ip6-fw", NETLINK_IP6_FW},
                    {"dnrtmsg", NETLINK_DNRTMSG},
                    {"kobject-uevent", NETLINK_KOBJECT_UEVENT},
                    {"generic", NETLINK_GENERIC},
                    {"scsitransport", NETLINK_SCSITRANSPORT},
                    {"ecryptfs", NETLINK_ECRYPTFS},
                    {"rdma", NETLINK_RDMA}};
    size_t length = strcspn(line->fields[1], " ");
    union address address = {.netlink = {.nl_family = AF_NETLINK}};
    address.netlink.nl_groups = (unsigned)strtoul(line->fields[1] + length, NULL, 10);
    for (size_t at = 0; at < sizeof families / sizeof *families; at++)
        if (strncmp(families[at].name, line->fields[1], length) == 0 && families[at].name[length] == '\0') {
            int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, families[at].protocol);
            if (fd >= 0 && bind(fd, &address.any, sizeof address.netlink) != 0) {
                close(fd);
                return -1;
            }
            return fd;
        }
    errno = EINVAL;
    return -1;
}

static int protocol_of(const struct line *line) {
    const char *name = option(line, "protocol");
    if (name == NULL)
        return 0;
    return strcmp(name, "udplite") == 0 ? IPPROTO_UDPLITE
           : strcmp(name, "sctp") == 0  ? IPPROTO_SCTP
                                        : 262 /* MPTCP */;
}

static int open_socket(const struct line *line, int type) {
    union address address;
    socklen_t length;
    if (!parse_address(line->fields[1], &address, &length))
        return -1;
    int fd = socket(address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol_of(line));
    if (fd < 0 && errno == EAFNOSUPPORT && strchr(line->fields[1], '[') == NULL) {
        /* A kernel without IPv6: a port alone is one of IPv4. */
        uint16_t port = address.six.sin6_port;
        address.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        length = sizeof address.four;
        fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (fd < 0)
        return -1;
    const char *backlog = option(line, "backlog");
    bool file = address.any.sa_family == AF_UNIX && line->fields[1][0] == '/';
    mode_t mask = umask(file ? ~mode_of(line, "mode", 0666) & 0777 : 022);
    if (file) {
        umask(0);
        make_parents(line->fields[1], mode_of(line, "dirmode", 0755));
        umask(~mode_of(line, "mode", 0666) & 0777);
        unlink(line->fields[1]);
    }
    bool done = set_options(fd, line, &address) && bind(fd, &address.any, length) == 0 &&
                (type == SOCK_DGRAM || listen(fd, backlog != NULL ? atoi(backlog) : SOMAXCONN) == 0) &&
                (!file || own_file(line, line->fields[1]));
    umask(mask);
    if (!done) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Open all sockets that are not yet open. Print a line and return false if one fails. */
bool open_sockets(struct sockets *sockets, const struct plan *plan) {
    if (sockets->listening > 0)
        return true;
    for (const struct line *line = NULL; (line = plan_next(plan, "listen", line)) != NULL;) {
        const char *kind = line->fields[0];
        int fd = -1;
        errno = E2BIG;
        if (sockets->count == MOST_SOCKETS)
            fd = -1;
        else if (strcmp(kind, "fifo") == 0)
            fd = open_pipe(line);
        else if (strcmp(kind, "special") == 0)
            fd = open(line->fields[1], (option(line, "writable") != NULL ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                                           O_NONBLOCK | O_NOCTTY);
        else if (strcmp(kind, "netlink") == 0)
            fd = open_netlink(line);
        else
            fd = open_socket(line, strcmp(kind, "stream") == 0     ? SOCK_STREAM
                                   : strcmp(kind, "datagram") == 0 ? SOCK_DGRAM
                                                                   : SOCK_SEQPACKET);
        if (fd < 0) {
            say("cannot listen on %s: %s", line->fields[1], strerror(errno));
            close_sockets(sockets, plan);
            return false;
        }
        sockets->fds[sockets->count] = fd;
        sockets->names[sockets->count++] = line->fields[2];
        sockets->listening = sockets->count;
    }
    return true;
}

/* Close the sockets, and remove the files of those that want it. */
void close_sockets(struct sockets *sockets, const struct plan *plan) {
    for (size_t at = 0; at < sockets->count; at++)
        close(sockets->fds[at]);
    sockets->count = sockets->listening = 0;
    for (const struct line *line = NULL; (line = plan_next(plan, "listen", line)) != NULL;) {
        const char *remove = option(line, "removeonstop");
        if (remove != NULL && strcmp(remove, "yes") == 0 && line->fields[1][0] == '/')
            unlink(line->fields[1]);
    }
}
