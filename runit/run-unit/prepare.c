/* What a unit needs before its first command: mounts of .mount units, and files of OpenFile=. */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conditions.h"
#include "directories.h"

static const struct {
    const char *name;
    unsigned long set, clear;
} options[] = {
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"relatime", MS_RELATIME, 0},
    {"strictatime", MS_STRICTATIME, 0},
    {"nodiratime", MS_NODIRATIME, 0},
    {"sync", MS_SYNCHRONOUS, 0},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
    {"defaults", 0, 0},
    {"auto", 0, 0},
    {"noauto", 0, 0},
    {"nofail", 0, 0},
    {"_netdev", 0, 0},
    {"user", 0, 0},
    {"nouser", 0, 0},
};

/* Split mount(8)'s options into flags and the file system's own options, which it returns. */
static char *split_options(const char *text, unsigned long *flags) {
    char *data = copy("");
    while (*text != '\0') {
        size_t length = strcspn(text, ","), at = 0, count = sizeof options / sizeof *options;
        while (at < count &&
               (strncmp(options[at].name, text, length) != 0 || options[at].name[length] != '\0'))
            at++;
        if (at < count)
            *flags = (*flags | options[at].set) & ~options[at].clear;
        else if (length > 0 && !starts_with(text, "x-"))
            data = format("%s%s%.*s", data, *data != '\0' ? "," : "", (int)length, text);
        text += length + (text[length] == ',');
    }
    return data;
}

static bool mount_one(const struct line *line) {
    const char *what = line->fields[1], *where = line->fields[2], *type = line->fields[3];
    unsigned long flags = 0;
    char *data = split_options(line->fields[4], &flags);
    if (is_mount_point(where))
        return true;
    if (!make_parents(where, 0755) || (mkdir(where, 0755) != 0 && errno != EEXIST))
        return access(where, F_OK) == 0;
    return mount(what, where, *type != '\0' ? type : NULL, flags, data) == 0;
}

/* Make the mounts that the unit needs, unless something is mounted there. A failure of a wanted one is a
 * note. */
bool mount_needed(const struct plan *plan) {
    for (const struct line *line = NULL; (line = plan_next(plan, "mount", line)) != NULL;)
        if (!mount_one(line)) {
            bool needed = strchr(line->fields[0], '-') == NULL;
            say("cannot mount %s on %s: %s%s", line->fields[1], line->fields[2], strerror(errno),
                needed ? "" : "; going on");
            if (needed)
                return false;
        }
    return true;
}

static bool has_option(const char *list, const char *option) {
    size_t length = strlen(option);
    for (const char *at = list; at != NULL; at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, option, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    for (size_t at = 0; at < 3; at++) {
        int fd = socket(AF_UNIX, types[at] | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
        if (errno != EPROTOTYPE)
            break;
    }
    return -1;
}

static int open_one(const struct line *line) {
    const char *path = line->fields[0], *list = line->fields[2];
    struct stat found;
    if (stat(path, &found) == 0 && S_ISSOCK(found.st_mode))
        return connect_to(path);
    int flags = has_option(list, "read-only") ? O_RDONLY : O_RDWR;
    flags |= (has_option(list, "append") ? O_APPEND : 0) | (has_option(list, "truncate") ? O_TRUNC : 0);
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    return fd < 0 && errno == EACCES ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : fd;
}

/* Open the files of OpenFile= again, after the sockets. A graceful one may be missing. */
bool open_files(struct sockets *sockets, const struct plan *plan) {
    while (sockets->count > sockets->listening)
        close(sockets->fds[--sockets->count]);
    for (const struct line *line = NULL; (line = plan_next(plan, "openfile", line)) != NULL;) {
        int fd = sockets->count < MOST_SOCKETS ? open_one(line) : -1;
        if (fd < 0 && has_option(line->fields[2], "graceful"))
            continue;
        if (fd < 0) {
            say("cannot open %s: %s", line->fields[0], strerror(errno));
            return false;
        }
        sockets->fds[sockets->count] = fd;
        sockets->names[sockets->count++] = line->fields[1];
    }
    return true;
}
