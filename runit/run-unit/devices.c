/* The private /dev of a command (PrivateDevices=): a tmpfs with the usual pseudo devices alone. */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
static const char *const folders[] = {"pts", "shm", "mqueue", "hugepages"};
static const char *const links[][2] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

/* Make one device like that of the present /dev; bind that one where devices cannot be made. */
static bool make_node(const char *from, const char *to) {
    struct stat found;
    if (stat(from, &found) != 0)
        return errno == ENOENT;
    if (mknod(to, found.st_mode, found.st_rdev) == 0)
        return true;
    int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return mount(from, to, NULL, MS_BIND, NULL) == 0;
}

/* Return the tree of a new /dev that has the devices of the one at `path`, not mounted anywhere; -1 on
 * failure. It is built in a folder of /run.
 */
int make_devices(const char *path) {
    char new[] = "/run/runit/.dev-XXXXXX", *log = format("%s/log", path), target[256] = "";
    struct stat found;
    mode_t mask = umask(0);
    bool done = mkdtemp(new) != NULL && mount("tmpfs", new, "tmpfs", MS_NOSUID | MS_STRICTATIME,
                                              "mode=755,size=4m,nr_inodes=1k") == 0;
    for (size_t at = 0; done && at < sizeof nodes / sizeof *nodes; at++)
        done = make_node(format("%s/%s", path, nodes[at]), format("%s/%s", new, nodes[at]));
    for (size_t at = 0; done && at < sizeof folders / sizeof *folders; at++) {
        char *from = format("%s/%s", path, folders[at]), *to = format("%s/%s", new, folders[at]);
        if (stat(from, &found) == 0)
            done =
                mkdir(to, found.st_mode & 07777) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0;
    }
    for (size_t at = 0; done && at < sizeof links / sizeof *links; at++)
        done = symlink(links[at][1], format("%s/%s", new, links[at][0])) == 0;
    if (done && lstat(log, &found) == 0 && S_ISLNK(found.st_mode) &&
        readlink(log, target, sizeof target - 1) > 0)
        done = symlink(target, format("%s/log", new)) == 0;
    else if (done && lstat(log, &found) == 0 && S_ISSOCK(found.st_mode))
        done = mknod(format("%s/log", new), S_IFREG | 0600, 0) == 0 &&
               mount(log, format("%s/log", new), NULL, MS_BIND, NULL) == 0;
    umask(mask);
    done =
        done && mount(NULL, new, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) == 0;
    int tree = done ? (int)syscall(SYS_open_tree, AT_FDCWD, new, O_CLOEXEC | 1u | AT_RECURSIVE) : -1;
    int error = errno;
    umount2(new, MNT_DETACH);
    rmdir(new);
    errno = error;
    return tree;
}
