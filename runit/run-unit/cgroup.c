/* The control group of a unit, /sys/fs/cgroup/notos/NAME of cgroup version 2, and the processes in it.
 *
 * Without cgroup2 the unit's processes are all descendants of this process, which is their subreaper.
 */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "device_policy.h"

#define TOP "/sys/fs/cgroup"
#define OURS TOP "/notos"

static char *folder; /* NULL without cgroup2 */

/* Enable all controllers for the groups below a group, each for itself: some may be missing. */
static void enable(const char *group) {
    char *path = format("%s/cgroup.controllers", group), *names = read_file(path, 4096, NULL);
    char *control = format("%s/cgroup.subtree_control", group);
    for (char *name = names != NULL ? strtok(names, " \n") : NULL; name != NULL; name = strtok(NULL, " \n"))
        write_file(control, format("+%s", name));
}

/* Return a value with a percentage as a number: of the memory for memory.*, of the process ids for pids.max.
 */
static char *absolute(const char *file, const char *value) {
    char *point;
    uint64_t whole = 32768, hundredths = strtoul(value, &point, 10) * 100;
    if (strchr(value, '%') == NULL)
        return copy(value);
    if (*point == '.' && point[1] >= '0' && point[1] <= '9')
        hundredths += (uint64_t)(point[1] - '0') * 10 +
                      (point[2] >= '0' && point[2] <= '9' ? (uint64_t)(point[2] - '0') : 0);
    struct sysinfo system;
    if (starts_with(file, "memory.") && sysinfo(&system) == 0) {
        whole = (uint64_t)system.totalram * system.mem_unit;
    } else {
        char *pids = read_file("/proc/sys/kernel/pid_max", 64, NULL);
        char *threads = read_file("/proc/sys/kernel/threads-max", 64, NULL);
        if (pids != NULL && threads != NULL)
            whole = strtoul(atol(pids) < atol(threads) ? pids : threads, NULL, 10);
    }
    return format("%llu", (unsigned long long)(whole / 10000 * hundredths));
}

/* Make the unit's group. */
void make_cgroup(const char *service) {
    if (access(TOP "/cgroup.controllers", F_OK) != 0)
        return;
    enable(TOP);
    bool made = mkdir(OURS, 0755) == 0 || errno == EEXIST;
    enable(OURS);
    folder = format("%s/%s", OURS, service);
    if (!made || (mkdir(folder, 0755) != 0 && errno != EEXIST)) {
        say("cannot make a control group: %s; limits are ignored", strerror(errno));
        folder = NULL;
    }
}

/* Set the group's limits. One that this kernel does not have is a note, printed once. */
void limit_cgroup(const struct plan *plan) {
    static bool noted;
    if (folder == NULL || (mkdir(folder, 0755) != 0 && errno != EEXIST))
        return;
    for (const struct line *line = NULL; (line = plan_next(plan, "cgroup", line)) != NULL;) {
        const char *file = line->fields[0];
        char *path = format("%s/%s", folder, file), *value = absolute(file, line->fields[1]);
        bool exists = strchr(file, '/') == NULL && access(path, W_OK) == 0;
        if (!exists && !noted)
            say("this kernel has no %s; ignoring it", file);
        else if (exists && !write_file(path, value))
            say("cannot set %s to %s: %s; ignoring it", file, value, strerror(errno));
        free(path);
        free(value);
    }
    noted = true;
    limit_devices(plan, folder);
}

/* Move the calling process into the unit's group. */
bool enter_cgroup(void) {
    if (folder == NULL)
        return true;
    return write_file(format("%s/cgroup.procs", folder), "0");
}

static void add_pid(struct pids *pids, pid_t pid) {
    pids->at = must(realloc(pids->at, (pids->count + 1) * sizeof *pids->at));
    pids->at[pids->count++] = pid;
}

/* Add the processes of a group and of all groups below it. */
static void add_group(struct pids *pids, const char *group) {
    char *path = format("%s/cgroup.procs", group);
    char *text = read_file(path, 1 << 22, NULL), *rest = NULL;
    free(path);
    for (char *at = text != NULL ? strtok_r(text, "\n", &rest) : NULL; at != NULL;
         at = strtok_r(NULL, "\n", &rest))
        if (atoi(at) > 0)
            add_pid(pids, atoi(at));
    free(text);
    DIR *entries = opendir(group);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            char *below = format("%s/%s", group, entry->d_name);
            add_group(pids, below);
            free(below);
        }
    closedir(entries);
}

/* Return the parent of a process, 0 if it does not exist or is a zombie. */
static pid_t parent_of(pid_t pid) {
    char path[32];
    pid_t parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char *text = read_file(path, 4096, NULL);
    char *end = text != NULL ? strrchr(text, ')') : NULL;
    if (end != NULL && strlen(end) > 4 && end[2] != 'Z' && end[2] != 'X')
        parent = atoi(end + 4);
    free(text);
    return parent;
}

static bool is_descendant(pid_t pid) {
    pid_t self = getpid();
    for (int depth = 0; pid > 1 && depth < 1000; depth++) {
        pid = parent_of(pid);
        if (pid == self)
            return true;
    }
    return false;
}

static void add_descendants(struct pids *pids) {
    DIR *entries = opendir("/proc");
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        uint64_t pid;
        if (parse_number(entry->d_name, INT32_MAX, &pid) && is_descendant((pid_t)pid))
            add_pid(pids, (pid_t)pid);
    }
    closedir(entries);
}

/* Return the unit's processes; the caller frees them. Zombies are not among them. */
struct pids unit_pids(void) {
    struct pids pids = {0}, living = {0};
    if (folder == NULL) {
        add_descendants(&pids);
        return pids;
    }
    add_group(&pids, folder);
    for (size_t at = 0; at < pids.count; at++)
        if (parent_of(pids.at[at]) != 0)
            add_pid(&living, pids.at[at]);
    free(pids.at);
    return living;
}

bool in_unit(pid_t pid) {
    struct pids pids = unit_pids();
    bool found = false;
    for (size_t at = 0; at < pids.count; at++)
        found |= pids.at[at] == pid;
    free(pids.at);
    return found;
}

/* Send a signal to all processes of the unit but `without`. Return true if there was one. */
bool signal_unit(int number, pid_t without) {
    if (number == SIGKILL && without == 0 && folder != NULL) {
        char *path = format("%s/cgroup.kill", folder);
        if (access(path, W_OK) == 0)
            write_file(path, "1");
        free(path);
    }
    struct pids pids = unit_pids();
    bool any = false;
    for (size_t at = 0; at < pids.count; at++)
        if (pids.at[at] != without && pids.at[at] != getpid() && kill(pids.at[at], number) == 0) {
            any = true;
            if (number != SIGKILL && number != SIGCONT)
                kill(pids.at[at], SIGCONT);
        }
    free(pids.at);
    return any;
}

/* Return true if the kernel killed a process of the unit because memory was short. */
bool unit_was_short_of_memory(void) {
    if (folder == NULL)
        return false;
    char *path = format("%s/memory.events", folder), *text = read_file(path, 4096, NULL);
    char *line = text != NULL ? strstr(text, "oom_kill ") : NULL;
    bool killed = line != NULL && line[9] != '0';
    free(path);
    free(text);
    return killed;
}

static void remove_group(const char *group) {
    DIR *entries = opendir(group);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            char *below = format("%s/%s", group, entry->d_name);
            remove_group(below);
            free(below);
        }
    closedir(entries);
    rmdir(group);
}

/* Remove the group, which has no processes. */
void remove_cgroup(void) {
    if (folder != NULL)
        remove_group(folder);
}
