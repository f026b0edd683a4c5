/* The directories of a unit: RuntimeDirectory=, StateDirectory= and the others of systemd.exec(5).
 *
 * Those of a dynamic user are in a folder called private, which only root can enter, with a link to each.
 */
#include "directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "environment.h"
#include "status.h"

struct kind {
    const char *name, *top, *variable;
    int status;
};

static const struct kind kinds[] = {
    {"runtime", "/run", "RUNTIME_DIRECTORY", STATUS_RUNTIME_DIRECTORY},
    {"state", "/var/lib", "STATE_DIRECTORY", STATUS_STATE_DIRECTORY},
    {"cache", "/var/cache", "CACHE_DIRECTORY", STATUS_CACHE_DIRECTORY},
    {"logs", "/var/log", "LOGS_DIRECTORY", STATUS_LOGS_DIRECTORY},
    {"configuration", "/etc", "CONFIGURATION_DIRECTORY", STATUS_CONFIGURATION_DIRECTORY},
};

static const struct kind *kind_of(const struct line *line) {
    const struct kind *kind = kinds;
    while (strcmp(kind->name, line->fields[0]) != 0)
        kind++;
    return kind;
}

static bool is_private(const struct kind *kind, const struct account *account) {
    return account->dynamic && kind->status != STATUS_CONFIGURATION_DIRECTORY &&
           kind->status != STATUS_RUNTIME_DIRECTORY;
}

/* Return the path of the directory itself, which is not the link of a dynamic user. */
char *directory_path(const struct line *line, const struct account *account) {
    const struct kind *kind = kind_of(line);
    return format("%s%s/%s", kind->top, is_private(kind, account) ? "/private" : "", line->fields[1]);
}

/* Make the folders that lead to `path`. Return false with errno set. */
bool make_parents(const char *path, mode_t mode) {
    char *prefix = copy(path);
    bool done = true;
    for (char *slash = prefix + 1; done && (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        struct stat found;
        if (mkdir(prefix, mode) != 0 && errno != EEXIST && stat(prefix, &found) != 0)
            done = false;
        *slash = '/';
    }
    free(prefix);
    return done;
}

/* Open the folder `path`. `make`: make those that are missing, with the mode 0755. A link is followed only if
 * no service can have made it: its folder is root's and nobody else may write there. Return -1 with errno
 * set.
 */
static int open_folder(const char *path, bool make) {
    char *rest = copy(path), *name = rest, *slash;
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (; folder >= 0 && name != NULL; name = slash) {
        if ((slash = strchr(name, '/')) != NULL)
            *slash++ = '\0';
        if (*name == '\0')
            continue;
        struct stat found;
        if (make && mkdirat(folder, name, 0755) != 0 && errno != EEXIST && errno != EROFS &&
            errno != EACCES) {
            close(folder);
            folder = -1;
            break;
        }
        bool safe = fstat(folder, &found) == 0 && found.st_uid == 0 && (found.st_mode & 022) == 0;
        int next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (safe ? 0 : O_NOFOLLOW)),
            error = errno;
        close(folder);
        errno = error;
        folder = next;
    }
    free(rest);
    return folder;
}

/* Open the folder of `path` as open_folder does, and set `name` to the last part of the path. */
static int open_parent(const char *path, bool make, const char **name) {
    char *parent = copy(path), *slash = strrchr(parent, '/');
    *slash = '\0';
    *name = strrchr(path, '/') + 1;
    int folder = open_folder(parent, make);
    free(parent);
    return folder;
}

/* Close a descriptor and return `done`; errno stays. */
static bool closed(int fd, bool done) {
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

/* Make a link, and the folders that lead to it. An existing file stays. */
static bool make_link(const char *target, const char *path) {
    const char *name;
    int folder = open_parent(path, true, &name);
    return folder >= 0 && closed(folder, symlinkat(target, folder, name) == 0 || errno == EEXIST);
}

/* Give all below an open folder to the account. Links are changed themselves and not followed. */
static bool give_below(int folder, uid_t uid, gid_t gid) {
    DIR *entries = fdopendir(folder);
    if (entries == NULL)
        return false;
    bool done = true;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct stat found;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(entries), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(found.st_mode)) {
            int inner =
                openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner >= 0 && !give_below(inner, uid, gid))
                done = false;
        }
        /* The kernel takes set-user-ID bits away, and they stay away: the file has another owner. */
        if (fchownat(dirfd(entries), entry->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
            done = false;
    }
    closedir(entries);
    return done;
}

/* Set the mode of an open directory, and the owner of it; of all below it too if the owner differs. Without
 * User= or Group= the unit has no account of its own, and the owner stays.
 */
static bool adjust(int fd, mode_t mode, const struct account *account, bool owned) {
    struct stat found;
    if (fstat(fd, &found) != 0)
        return false;
    uid_t uid = account->given ? account->uid : (uid_t)-1;
    gid_t gid = account->given || account->has_group ? account->gid : (gid_t)-1;
    bool other = (uid != (uid_t)-1 && found.st_uid != uid) || (gid != (gid_t)-1 && found.st_gid != gid);
    if ((found.st_mode & 07777) != mode && fchmod(fd, mode) != 0 && owned)
        return false;
    if (!owned || !other)
        return true;
    int below = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return below >= 0 && give_below(below, uid, gid) && fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0;
}

/* Make PRIVATE/NAME for a dynamic user, and the link TOP/NAME to it. An earlier TOP/NAME becomes it. */
static bool make_private(const struct kind *kind, const char *name, const char *path) {
    char *link = format("%s/%s", kind->top, name), *up = copy(""), *holder = format("%s/private", kind->top);
    const char *from, *to;
    struct stat found;
    if (!make_parents(holder, 0755) || (mkdir(holder, 0700) != 0 && errno != EEXIST))
        return false;
    int old = open_parent(link, true, &from), new = open_parent(path, true, &to);
    bool done = old >= 0 && new >= 0;
    if (done && fstatat(old, from, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode))
        done = renameat(old, from, new, to) == 0;
    for (const char *at = strchr(name, '/'); at != NULL; at = strchr(at + 1, '/'))
        up = format("../%s", up);
    done = done && (symlinkat(format("%sprivate/%s", up, name), old, from) == 0 || errno == EEXIST);
    if (old >= 0)
        closed(old, done);
    return new < 0 ? done : closed(new, done);
}

/* Make one directory with its links. Return false with errno set. */
static bool make_one(const struct line *line, const struct account *account) {
    const struct kind *kind = kind_of(line);
    char *path = directory_path(line, account);
    mode_t mode = (mode_t)strtoul(line->fields[2], NULL, 8);
    if (is_private(kind, account) && !make_private(kind, line->fields[1], path))
        return false;
    const char *name;
    int folder = open_parent(path, true, &name);
    if (folder < 0 || !closed(folder, mkdirat(folder, name, mode) == 0 || errno == EEXIST))
        return false;
    for (size_t at = 3; at < line->count; at++) {
        char *link = line->fields[at][0] == '/' ? copy(line->fields[at])
                                                : format("%s/%s", kind->top, line->fields[at]);
        if (!make_link(path, link))
            return false;
    }
    int fd = open_folder(path, false);
    return fd >= 0 && closed(fd, adjust(fd, mode, account, kind->status != STATUS_CONFIGURATION_DIRECTORY));
}

/* Make all directories of the plan. If one fails, print a line, set `status` and return false. */
bool make_directories(const struct plan *plan, const struct account *account, int *status) {
    mode_t mask = umask(0);
    bool done = true;
    for (const struct line *line = NULL; done && (line = plan_next(plan, "dir", line)) != NULL;)
        if (!make_one(line, account)) {
            *status = kind_of(line)->status;
            say("step %s: %s: %s", status_name(*status), directory_path(line, account), strerror(errno));
            done = false;
        }
    umask(mask);
    return done;
}

/* Set RUNTIME_DIRECTORY and the others: paths joined by colons. */
void add_directory_variables(struct words *environment, const struct plan *plan) {
    static const struct account nobody;
    for (size_t at = 0; at < sizeof kinds / sizeof *kinds; at++) {
        char *joined = NULL;
        for (const struct line *line = NULL; (line = plan_next(plan, "dir", line)) != NULL;)
            if (kind_of(line) == &kinds[at]) {
                char *path = directory_path(line, &nobody);
                joined = joined != NULL ? format("%s:%s", joined, path) : path;
            }
        if (joined != NULL)
            set_variable(environment, kinds[at].variable, joined);
    }
}

static void remove_below(int folder) {
    DIR *entries = fdopendir(folder);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int inner = openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            remove_below(inner);
        unlinkat(dirfd(entries), entry->d_name, inner >= 0 ? AT_REMOVEDIR : 0);
    }
    closedir(entries);
}

/* Remove a folder and all in it, without following links. */
void remove_tree(const char *path) {
    const char *name;
    int parent = open_parent(path, false, &name);
    int folder = parent >= 0 ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (folder >= 0) {
        remove_below(folder);
        unlinkat(parent, name, AT_REMOVEDIR);
    }
    if (parent >= 0)
        close(parent);
}

/* Remove the runtime directories at the end of a unit, unless the plan preserves them. */
void remove_runtime_directories(const struct plan *plan, bool restarts) {
    static const struct account nobody;
    if (plan_is(plan, "preserve", "yes") || (restarts && plan_is(plan, "preserve", "restart")))
        return;
    for (const struct line *line = NULL; (line = plan_next(plan, "dir", line)) != NULL;)
        if (kind_of(line)->status == STATUS_RUNTIME_DIRECTORY) {
            remove_tree(directory_path(line, &nobody));
            for (size_t at = 3; at < line->count; at++)
                if (line->fields[at][0] != '/') {
                    const char *name;
                    int folder = open_parent(format("/run/%s", line->fields[at]), false, &name);
                    if (folder >= 0)
                        closed(folder, unlinkat(folder, name, 0) == 0);
                }
        }
}
