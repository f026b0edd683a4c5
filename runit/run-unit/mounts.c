/* The mounts of a mount namespace: changes of paths, applied from / down to deeper paths.
 *
 * All trees that changes show are cloned before the first change. So a change never sees the effect of
 * another, and the deepest change of a path wins. Sources: mount_setattr(2), open_tree of
 * util-linux's and the kernel's documentation (Documentation/filesystems/mount_api.rst).
 */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices.h"
#include "directories.h"

/* Of sys/mount.h, which conflicts with linux/mount.h. */
int mount(const char *, const char *, const char *, unsigned long, const void *);

#define CLONE_TREE 1u /* OPEN_TREE_CLONE */
#define RECURSIVE 0x8000u
#define HIDDEN "/run/runit/.hidden" /* main.c makes it */

struct entry {
    enum change change;
    char *path; /* below `root`, without symbolic links */
    char *source;
    bool optional, recursive;
    int tree; /* the clone, or -1 */
};

/* Return the path of a file below `root`, with all symbolic links followed as if that were /; NULL if it does
 * not exist, with errno set.
 */
static char *resolve(const char *root, const char *path) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int top = open(*root != '\0' ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = top >= 0 ? (int)syscall(SYS_openat2, top, path, &how, sizeof how) : -1;
    char found[4096], *link = format("/proc/self/fd/%d", fd), *result = NULL;
    ssize_t length = fd >= 0 ? readlink(link, found, sizeof found - 1) : -1;
    int error = errno;
    if (length > 0) {
        found[length] = '\0';
        result = copy(found + strlen(root));
        if (*result == '\0')
            result = copy("/");
    }
    free(link);
    if (fd >= 0)
        close(fd);
    if (top >= 0)
        close(top);
    errno = error;
    return result;
}

/* Make the place of a bind mount: a folder, or a file if `source` is none. */
static bool make_place(const char *path, const char *source) {
    struct stat found;
    mode_t mask = umask(0);
    bool folder = stat(source, &found) != 0 || S_ISDIR(found.st_mode);
    bool done = make_parents(path, 0755);
    if (done && folder)
        done = mkdir(path, 0755) == 0 || errno == EEXIST;
    else if (done)
        done = mknod(path, S_IFREG | 0444, 0) == 0 || errno == EEXIST;
    umask(mask);
    return done;
}

/* Add a change. An optional one whose path does not exist is left out. Print a line and return false if it
 * cannot be made.
 */
bool add_mount(struct mounts *mounts, enum change change, const char *path, const char *source, bool optional,
               bool recursive) {
    bool binds = change == CHANGE_BIND || change == CHANGE_BIND_READ_ONLY;
    char *place = resolve(mounts->root, path);
    if (binds && source != NULL && access(source, F_OK) != 0) {
        if (optional)
            return true;
        say("step NAMESPACE: %s: %s", source, strerror(errno));
        return false;
    }
    if (place == NULL && (binds || change == CHANGE_TMPFS))
        place = copy(path); /* made when its turn comes, below what is mounted then */
    if (place == NULL) {
        if (optional)
            return true;
        say("step NAMESPACE: %s: %s", path, strerror(errno));
        return false;
    }
    struct entry entry = {change, place, source != NULL ? copy(source) : NULL, optional, recursive, -1};
    mounts->entries = must(realloc(mounts->entries, (mounts->count + 1) * sizeof entry));
    mounts->entries[mounts->count++] = entry;
    return true;
}

static int by_path(const void *one, const void *other) {
    const struct entry *first = one, *second = other;
    int order = strcmp(first->path, second->path);
    return order != 0 ? order : (int)first->change - (int)second->change;
}

static bool is_within(const char *path, const char *top) {
    size_t length = strlen(top);
    return strcmp(top, "/") == 0 ||
           (strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0'));
}

/* Return the nearest change of `one` or `other` at the path or above; `otherwise` if there is none. */
static enum change nearest(const struct mounts *mounts, const char *path, enum change one, enum change other,
                           enum change otherwise) {
    size_t best = 0;
    enum change found = otherwise;
    for (size_t at = 0; at < mounts->count; at++) {
        const struct entry *entry = &mounts->entries[at];
        size_t length = strlen(entry->path);
        if ((entry->change == one || entry->change == other) && is_within(path, entry->path) &&
            length >= best) {
            best = length;
            found = entry->change;
        }
    }
    return found;
}

/* Return the attributes of the tree that a change shows. */
static uint64_t attributes(const struct mounts *mounts, const struct entry *entry) {
    uint64_t set = 0;
    if (entry->change == CHANGE_BIND_READ_ONLY ||
        (entry->change != CHANGE_BIND && nearest(mounts, entry->path, CHANGE_READ_ONLY, CHANGE_WRITABLE,
                                                 CHANGE_WRITABLE) == CHANGE_READ_ONLY))
        set |= MOUNT_ATTR_RDONLY;
    if (nearest(mounts, entry->path, CHANGE_NO_EXEC, CHANGE_EXEC, CHANGE_EXEC) == CHANGE_NO_EXEC)
        set |= MOUNT_ATTR_NOEXEC;
    return set;
}

static bool set_attributes(int tree, const char *path, uint64_t set) {
    struct mount_attr attr = {.attr_set = set};
    unsigned flags = RECURSIVE | (tree >= 0 ? AT_EMPTY_PATH : 0);
    return set == 0 ||
           syscall(SYS_mount_setattr, tree >= 0 ? tree : AT_FDCWD, path, flags, &attr, sizeof attr) == 0;
}

static bool shows_tree(const struct entry *entry) {
    return entry->change <= CHANGE_EXEC || entry->change == CHANGE_BIND ||
           entry->change == CHANGE_BIND_READ_ONLY || entry->change == CHANGE_DEVICES;
}

/* Clone the tree that a change shows, with its attributes. */
static bool clone_tree(const struct mounts *mounts, struct entry *entry) {
    char *path = entry->source != NULL ? entry->source : format("%s%s", mounts->root, entry->path);
    if (entry->change == CHANGE_DEVICES) {
        entry->tree = make_devices(path);
        return entry->tree >= 0;
    }
    entry->tree = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                               O_CLOEXEC | CLONE_TREE | (entry->recursive ? RECURSIVE : 0));
    return entry->tree >= 0 && set_attributes(entry->tree, "", attributes(mounts, entry));
}

static bool hide(const char *path) {
    struct stat found;
    if (stat(path, &found) != 0)
        return false;
    if (S_ISDIR(found.st_mode))
        return mount("tmpfs", path, "tmpfs", 1 | 2 | 4 | 8 /* ro, nosuid, nodev, noexec */,
                     "mode=000,nr_inodes=2,size=4k") == 0;
    return mount(HIDDEN, path, NULL, 4096 /* bind */, NULL) == 0 &&
           mount(NULL, path, NULL, 4096 | 32 | 1 | 2 | 4 | 8 /* remount */, NULL) == 0;
}

static bool apply(const struct mounts *mounts, const struct entry *entry) {
    char *path = format("%s%s", mounts->root, entry->path);
    if (strcmp(entry->path, "/") == 0 && *mounts->root == '\0' && entry->change <= CHANGE_EXEC)
        return set_attributes(-1, "/", attributes(mounts, entry));
    if (access(path, F_OK) != 0) {
        if (!shows_tree(entry) && entry->change != CHANGE_TMPFS)
            return entry->optional || errno == ENOENT;
        if (!make_place(path, entry->source != NULL && shows_tree(entry) ? entry->source : "/"))
            return entry->optional;
    }
    switch (entry->change) {
    case CHANGE_HIDDEN: return hide(path);
    case CHANGE_TMPFS: return mount("tmpfs", path, "tmpfs", 2 | 4, entry->source) == 0;
    case CHANGE_PROC:
        return mount("proc", path, "proc", 2 | 4 | 8, entry->source) == 0 || errno == EINVAL ||
               errno == EPERM;
    default:
        return syscall(SYS_move_mount, entry->tree, "", AT_FDCWD, path, 4u /* MOVE_MOUNT_F_EMPTY_PATH */) ==
               0;
    }
}

/* Make the places of bind mounts and of new file systems that do not exist, before their folders may become
 * read-only. Those below another such mount are made in that one.
 */
static void make_places(const struct mounts *mounts) {
    for (size_t at = 0; at < mounts->count; at++) {
        const struct entry *entry = &mounts->entries[at];
        bool covered = false;
        for (size_t above = 0; above < at; above++)
            covered |= mounts->entries[above].change >= CHANGE_HIDDEN &&
                       is_within(entry->path, mounts->entries[above].path);
        char *path = format("%s%s", mounts->root, entry->path);
        if (entry->change >= CHANGE_BIND && !covered && access(path, F_OK) != 0)
            make_place(path, entry->source != NULL && shows_tree(entry) ? entry->source : "/");
    }
}

/* Apply all changes. Print a line and return false, with errno set, if one fails. */
bool apply_mounts(struct mounts *mounts) {
    if (mounts->count > 0)
        qsort(mounts->entries, mounts->count, sizeof *mounts->entries, by_path);
    make_places(mounts);
    for (size_t at = 0; at < mounts->count; at++)
        if (shows_tree(&mounts->entries[at]) && !clone_tree(mounts, &mounts->entries[at])) {
            say("step NAMESPACE: %s: cannot clone the mount: %s", mounts->entries[at].path, strerror(errno));
            return false;
        }
    for (size_t at = 0; at < mounts->count; at++)
        if (!apply(mounts, &mounts->entries[at])) {
            say("step NAMESPACE: %s: cannot mount: %s", mounts->entries[at].path, strerror(errno));
            return false;
        }
    return true;
}
