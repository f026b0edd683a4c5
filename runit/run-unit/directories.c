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

/* Give all below an open folder to the account. Links are changed themselves and not followed. */
static bool give_below(int folder, const struct account *account) {
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
            if (inner >= 0 && !give_below(inner, account))
                done = false;
        }
        if (fchownat(dirfd(entries), entry->d_name, account->uid, account->gid, AT_SYMLINK_NOFOLLOW) != 0)
            done = false;
        else if (!S_ISLNK(found.st_mode) && (found.st_mode & (S_ISUID | S_ISGID)) != 0)
            fchmodat(dirfd(entries), entry->d_name, found.st_mode & 07777, 0);
    }
    closedir(entries);
    return done;
}

/* Set mode and owner of a directory; of all below it too if the owner differs. */
static bool adjust(const char *path, mode_t mode, const struct account *account, bool owned) {
    struct stat found;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) != 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool done = (found.st_mode & 07777) == mode || fchmod(fd, mode) == 0 || !owned;
    if (done && owned && (found.st_uid != account->uid || found.st_gid != account->gid)) {
        int below = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        done = below >= 0 && give_below(below, account) && fchown(fd, account->uid, account->gid) == 0 &&
               fchmod(fd, mode) == 0;
    }
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

/* Make PRIVATE/NAME for a dynamic user, and the link TOP/NAME to it. An earlier TOP/NAME becomes it. */
static bool make_private(const struct kind *kind, const char *name, const char *path) {
    char *link = format("%s/%s", kind->top, name), *up = copy(""), *holder = format("%s/private", kind->top);
    struct stat found;
    if (!make_parents(holder, 0755) || (mkdir(holder, 0700) != 0 && errno != EEXIST))
        return false;
    if (!make_parents(path, 0755) || !make_parents(link, 0755))
        return false;
    if (lstat(link, &found) == 0 && S_ISDIR(found.st_mode) && rename(link, path) != 0)
        return false;
    for (const char *at = strchr(name, '/'); at != NULL; at = strchr(at + 1, '/'))
        up = format("../%s", up);
    return symlink(format("%sprivate/%s", up, name), link) == 0 || errno == EEXIST;
}

/* Make one directory with its links. Return false with errno set. */
static bool make_one(const struct line *line, const struct account *account) {
    const struct kind *kind = kind_of(line);
    char *path = directory_path(line, account);
    mode_t mode = (mode_t)strtoul(line->fields[2], NULL, 8);
    if (is_private(kind, account) && !make_private(kind, line->fields[1], path))
        return false;
    if (!make_parents(path, 0755) || (mkdir(path, mode) != 0 && errno != EEXIST))
        return false;
    for (size_t at = 3; at < line->count; at++) {
        char *link = line->fields[at][0] == '/' ? copy(line->fields[at])
                                                : format("%s/%s", kind->top, line->fields[at]);
        if (!make_parents(link, 0755) || (symlink(path, link) != 0 && errno != EEXIST))
            return false;
    }
    return adjust(path, mode, account, kind->status != STATUS_CONFIGURATION_DIRECTORY);
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
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return;
    remove_below(folder);
    rmdir(path);
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
                if (line->fields[at][0] != '/')
                    unlink(format("/run/%s", line->fields[at]));
        }
}
