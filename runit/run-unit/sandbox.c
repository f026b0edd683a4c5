/* The mount namespace of a command: ProtectSystem=, PrivateTmp=, BindPaths= and the others of
 * systemd.exec(5), as changes of paths.
 */
#include "sandbox.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "directories.h"
#include "mounts.h"
#include "status.h"

static const char *const tunables[] = {
    "/proc/acpi",
    "/proc/apm",
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/latency_stats",
    "/proc/mtrr",
    "/proc/scsi",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/timer_stats",
    "/sys",
    "/sys/fs/bpf",
    "/sys/fs/cgroup",
    "/sys/fs/selinux",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    NULL,
};
static const char *const kernel_memory[] = {"/proc/kallsyms", "/proc/kcore", NULL};
static const char *const modules[] = {"/lib/modules", "/usr/lib/modules", NULL};
static const char *const logs[] = {"/proc/kmsg", "/dev/kmsg", NULL};
static const char *const homes[] = {"/home", "/root", "/run/user", NULL};
static const char *const programs[] = {"/usr", "/boot", "/efi", NULL};
static const char *const always_writable[] = {"/dev", "/proc", "/sys", "/home", "/root", "/run/user", NULL};

static const char *const keys[] = {
    "bind",
    "bindro",
    "dynamicuser",
    "exec",
    "hide",
    "mountapi",
    "mountflags",
    "noexec",
    "privatedevices",
    "privatemounts",
    "procsubset",
    "protectcgroups",
    "protectlogs",
    "protectmodules",
    "protectproc",
    "protecttunables",
    "ro",
    "root",
    "rw",
    "tmpfs",
};

static bool is_set(const struct plan *plan, const char *key) {
    const char *value = plan_text(plan, key, "no");
    return strcmp(value, "no") != 0 && strcmp(value, "default") != 0 && strcmp(value, "all") != 0;
}

static const char *temporary(const struct plan *plan) {
    return plan_text(plan, "privatetmp", plan_yes(plan, "dynamicuser") ? "yes" : "no");
}

/* Return the protection of the system; a dynamic user has the strict one. */
static const char *system_protection(const struct plan *plan) {
    return plan_yes(plan, "dynamicuser") ? "strict" : plan_text(plan, "protectsystem", "no");
}

static const char *home_protection(const struct plan *plan) {
    const char *value = plan_text(plan, "protecthome", "no");
    return plan_yes(plan, "dynamicuser") && strcmp(value, "no") == 0 ? "read-only" : value;
}

bool needs_mounts(const struct plan *plan) {
    for (size_t at = 0; at < sizeof keys / sizeof *keys; at++)
        if (is_set(plan, keys[at]))
            return true;
    return is_set(plan, "protectsystem") || is_set(plan, "protecthome") || is_set(plan, "privatetmp");
}

/* Make the folders of a private /tmp and /var/tmp, once for all commands of the unit. */
bool make_private_tmp(struct sandbox *sandbox, const struct plan *plan) {
    const char *value = temporary(plan);
    if (sandbox->temporary != NULL || (strcmp(value, "yes") != 0 && strcmp(value, "connected") != 0))
        return true;
    char *folder = copy("/tmp/notos-private-XXXXXX");
    mode_t mask = umask(0);
    bool done = mkdtemp(folder) != NULL;
    for (int at = 0; done && at < 2; at++) {
        char *inner = format("%s/%s", folder, at == 0 ? "tmp" : "var-tmp");
        done = mkdir(inner, 0700) == 0 && chmod(inner, 01777) == 0;
    }
    umask(mask);
    sandbox->temporary = done ? folder : NULL;
    return done;
}

static bool add_all(struct mounts *mounts, enum change change, const char *const *paths) {
    bool done = true;
    for (; done && *paths != NULL; paths++)
        done = add_mount(mounts, change, *paths, NULL, true, true);
    return done;
}

static bool add_system(struct mounts *mounts, const struct plan *plan) {
    const char *value = system_protection(plan), *home = home_protection(plan);
    bool done = true;
    if (strcmp(value, "strict") == 0)
        done = add_mount(mounts, CHANGE_READ_ONLY, "/", NULL, false, true) &&
               add_all(mounts, CHANGE_WRITABLE, always_writable);
    else if (strcmp(value, "no") != 0)
        done = add_all(mounts, CHANGE_READ_ONLY, programs) &&
               (strcmp(value, "full") != 0 || add_mount(mounts, CHANGE_READ_ONLY, "/etc", NULL, true, true));
    if (strcmp(home, "yes") == 0)
        return done && add_all(mounts, CHANGE_HIDDEN, homes);
    if (strcmp(home, "read-only") == 0)
        return done && add_all(mounts, CHANGE_READ_ONLY, homes);
    for (size_t at = 0; strcmp(home, "tmpfs") == 0 && done && homes[at] != NULL; at++)
        if (access(homes[at], F_OK) == 0)
            done = add_mount(mounts, CHANGE_TMPFS, homes[at], "mode=0755,size=10%,nr_inodes=4k", true, true);
    return done;
}

static bool add_kernel(struct mounts *mounts, const struct plan *plan) {
    char *options = copy("");
    bool done = true;
    if (is_set(plan, "protectproc"))
        options = format("hidepid=%s", plan_text(plan, "protectproc", ""));
    if (is_set(plan, "procsubset"))
        options = format("%s%ssubset=pid", options, *options != '\0' ? "," : "");
    if (*options != '\0')
        done = add_mount(mounts, CHANGE_PROC, "/proc", options, true, true);
    if (plan_yes(plan, "protecttunables"))
        done = done && add_all(mounts, CHANGE_READ_ONLY, tunables) &&
               add_all(mounts, CHANGE_HIDDEN, kernel_memory);
    if (plan_yes(plan, "protectmodules"))
        done = done && add_all(mounts, CHANGE_HIDDEN, modules);
    if (plan_yes(plan, "protectcgroups"))
        done = done && add_mount(mounts, CHANGE_READ_ONLY, "/sys/fs/cgroup", NULL, true, true);
    if (plan_yes(plan, "privatedevices"))
        done = done && add_mount(mounts, CHANGE_DEVICES, "/dev", NULL, true, true);
    if (plan_yes(plan, "protectlogs"))
        done = done && add_all(mounts, CHANGE_HIDDEN, logs);
    return done;
}

static bool add_temporary(struct mounts *mounts, const struct sandbox *sandbox, const struct plan *plan) {
    if (strcmp(temporary(plan), "disconnected") == 0)
        return add_mount(mounts, CHANGE_TMPFS, "/tmp", "mode=1777", true, true) &&
               add_mount(mounts, CHANGE_TMPFS, "/var/tmp", "mode=1777", true, true);
    if (sandbox->temporary == NULL)
        return true;
    return add_mount(mounts, CHANGE_BIND, "/tmp", format("%s/tmp", sandbox->temporary), false, true) &&
           add_mount(mounts, CHANGE_BIND, "/var/tmp", format("%s/var-tmp", sandbox->temporary), false, true);
}

/* The unit's own directories stay writable, those of a dynamic user visible. */
static bool add_directories(struct mounts *mounts, const struct plan *plan, const struct account *account) {
    bool done = true;
    for (const struct line *line = NULL; done && (line = plan_next(plan, "dir", line)) != NULL;) {
        char *path = directory_path(line, account);
        bool hidden = strstr(path, "/private/") != NULL && account->dynamic;
        if (strcmp(line->fields[0], "configuration") == 0)
            continue;
        if (hidden) {
            char *top = format("%.*s", (int)(strstr(path, "/private/") - path) + 8, path);
            done = add_mount(mounts, CHANGE_TMPFS, top, "mode=0755,size=4k,nr_inodes=64", false, true);
        }
        done = done && add_mount(mounts, hidden || *mounts->root != '\0' ? CHANGE_BIND : CHANGE_WRITABLE,
                                 path, hidden || *mounts->root != '\0' ? path : NULL, false, true);
    }
    return done;
}

/* The paths that the plan names. */
static bool add_paths(struct mounts *mounts, const struct plan *plan) {
    static const struct {
        const char *key;
        enum change change;
    } kinds[] = {{"ro", CHANGE_READ_ONLY},
                 {"rw", CHANGE_WRITABLE},
                 {"hide", CHANGE_HIDDEN},
                 {"exec", CHANGE_EXEC},
                 {"noexec", CHANGE_NO_EXEC}};
    const struct line *line = NULL;
    bool done = true;
    for (size_t at = 0; at < sizeof kinds / sizeof *kinds; at++)
        while (done && (line = plan_next(plan, kinds[at].key, line)) != NULL)
            done = add_mount(mounts, kinds[at].change, line->fields[1], NULL,
                             strchr(line->fields[0], '-') != NULL, true);
    for (int only = 0; only < 2; only++) {
        line = NULL;
        while (done && (line = plan_next(plan, only ? "bindro" : "bind", line)) != NULL)
            done = add_mount(mounts, only ? CHANGE_BIND_READ_ONLY : CHANGE_BIND, line->fields[2],
                             line->fields[1], strchr(line->fields[0], '-') != NULL,
                             strcmp(line->fields[3], "rec") == 0);
    }
    line = NULL;
    while (done && (line = plan_next(plan, "tmpfs", line)) != NULL)
        done = add_mount(mounts, CHANGE_TMPFS, line->fields[0],
                         *line->fields[1] != '\0' ? line->fields[1] : "mode=0755,size=10%", false, true);
    return done;
}

/* Make / of the namespace the folder `root`. */
static bool change_root(const char *root) {
    return chdir(root) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
           chdir("/") == 0;
}

static bool add_api(struct mounts *mounts, const struct plan *plan, const struct sandbox *sandbox) {
    static const char *const paths[] = {"/proc", "/sys", "/dev"};
    bool done = true;
    for (size_t at = 0; plan_yes(plan, "mountapi") && done && at < 3; at++)
        done = add_mount(mounts, CHANGE_BIND, paths[at], paths[at], false, true);
    return done && add_mount(mounts, CHANGE_BIND, sandbox->notify, sandbox->notify, true, true);
}

/* Enter a new mount namespace and apply the plan. Return 0 or an exit status, with errno set; it prints a
 * line about a failure. A kernel without namespaces runs the command as it is, with one note.
 */
int enter_sandbox(const struct sandbox *sandbox, const struct plan *plan, const struct account *account) {
    struct mounts mounts = {.root = plan_text(plan, "root", "")};
    if (strcmp(mounts.root, "/") == 0)
        mounts.root = "";
    if (!needs_mounts(plan))
        return 0;
    if (unshare(CLONE_NEWNS) != 0) {
        if (*mounts.root == '\0' && (errno == EINVAL || errno == ENOSYS || errno == EPERM)) {
            say("this kernel makes no mount namespace (%s); the files of the system are not protected",
                strerror(errno));
            return 0;
        }
        return STATUS_NAMESPACE;
    }
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0)
        return STATUS_NAMESPACE;
    if (*mounts.root != '\0' && (mount(mounts.root, mounts.root, NULL, MS_BIND | MS_REC, NULL) != 0 ||
                                 !add_api(&mounts, plan, sandbox)))
        return STATUS_NAMESPACE;
    if (!add_system(&mounts, plan) || !add_kernel(&mounts, plan) || !add_temporary(&mounts, sandbox, plan) ||
        !add_directories(&mounts, plan, account) || !add_paths(&mounts, plan) || !apply_mounts(&mounts))
        return STATUS_NAMESPACE;
    if (*mounts.root != '\0' && !change_root(mounts.root))
        return STATUS_CHROOT;
    const char *flags = plan_text(plan, "mountflags", "slave");
    if (strcmp(flags, "slave") != 0 &&
        mount(NULL, "/", NULL, (*flags == 's' ? MS_SHARED : MS_PRIVATE) | MS_REC, NULL) != 0)
        return STATUS_NAMESPACE;
    return 0;
}
