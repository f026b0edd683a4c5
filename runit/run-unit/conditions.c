/* The conditions and assertions of a unit, as systemd.unit(5) defines them. */
#include "conditions.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "patterns.h"
#include "privileges.h"

static bool path_exists(const char *path) { return access(path, F_OK) == 0; }

static bool glob_exists(const char *pattern) { return match_paths(pattern).count > 0; }

static bool is_directory(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

static bool is_link(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0 && S_ISLNK(found.st_mode);
}

/* The fifth field of a line of mountinfo is the mount point (proc_pid_mountinfo(5)). */
bool is_mount_point(const char *path) {
    char *real = realpath(path, NULL), *text = read_file("/proc/self/mountinfo", 1 << 22, NULL), *rest = NULL;
    bool found = false;
    for (char *line = text != NULL ? strtok_r(text, "\n", &rest) : NULL;
         line != NULL && real != NULL && !found; line = strtok_r(NULL, "\n", &rest)) {
        for (int skipped = 0; skipped < 4 && line != NULL; skipped++)
            line = strchr(line, ' ') != NULL ? strchr(line, ' ') + 1 : NULL;
        size_t length = line != NULL ? strcspn(line, " ") : 0;
        found = length == strlen(real) && strncmp(line, real, length) == 0;
    }
    free(real);
    free(text);
    return found;
}

static bool is_writable(const char *path) {
    struct statvfs found;
    return statvfs(path, &found) == 0 && (found.f_flag & ST_RDONLY) == 0;
}

static bool is_not_empty_directory(const char *path) {
    DIR *entries = opendir(path);
    bool found = false;
    if (entries == NULL)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(entries)) != NULL;)
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return found;
}

static bool is_not_empty_file(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && found.st_size > 0;
}

static bool is_executable(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && (found.st_mode & 0111) != 0;
}

static bool is_root(const char *name) {
    return strcmp(name, "root") == 0 || strcmp(name, "0") == 0 || strcmp(name, "@system") == 0;
}

static bool is_host(const char *pattern) {
    struct utsname system;
    char *id = read_file("/etc/machine-id", 64, NULL);
    return (uname(&system) == 0 && matches(pattern, system.nodename)) ||
           (id != NULL && strlen(pattern) == 32 && starts_with(id, pattern));
}

/* A word of the kernel's command line: WORD, which may have a value, or WORD=VALUE. */
static bool has_kernel_word(const char *word) {
    char *line = read_file("/proc/cmdline", 65536, NULL);
    size_t length = strlen(word);
    for (char *at = line != NULL ? strtok(line, " \n") : NULL; at != NULL; at = strtok(NULL, " \n"))
        if (strcmp(at, word) == 0 ||
            (strchr(word, '=') == NULL && strncmp(at, word, length) == 0 && at[length] == '='))
            return true;
    return false;
}

static bool less(int difference) { return difference < 0; }
static bool most(int difference) { return difference <= 0; }
static bool same(int difference) { return difference == 0; }
static bool other(int difference) { return difference != 0; }
static bool least(int difference) { return difference >= 0; }
static bool more(int difference) { return difference > 0; }

/* Find the operator at the start of `text`, and move `text` behind it. */
static bool take_operator(const char **text, bool (**test)(int)) {
    static const struct {
        const char *text;
        bool (*test)(int);
    } operators[] = {{"<=", most}, {"<>", other}, {">=", least}, {"!=", other},
                     {"==", same}, {"<", less},   {">", more},   {"=", same}};
    for (size_t at = 0; at < sizeof operators / sizeof *operators; at++)
        if (starts_with(*text, operators[at].text)) {
            *text += strlen(operators[at].text);
            *text += strspn(*text, " \t");
            *test = operators[at].test;
            return true;
        }
    return false;
}

/* All words must hold: each a pattern, or an operator and a version. */
static bool is_kernel_version(const char *words) {
    struct utsname system;
    if (uname(&system) != 0)
        return false;
    while (*(words += strspn(words, " \t")) != '\0') {
        bool (*test)(int) = NULL;
        take_operator(&words, &test);
        size_t length = strcspn(words, " \t");
        char *version = format("%.*s", (int)length, words);
        bool pattern = test == NULL || (test == same && strpbrk(version, "*?[") != NULL);
        if (pattern ? !matches(version, system.release) : !test(strverscmp(system.release, version)))
            return false;
        words += length;
    }
    return true;
}

/* Compare a size with a number that may have one of the units K, M, G, T; >= without an operator. */
static bool compares(uint64_t size, const char *text) {
    bool (*test)(int) = least;
    take_operator(&text, &test);
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    const char *unit = text[digits] != '\0' ? strchr("KMGT", text[digits]) : NULL;
    if (!parse_number(format("%.*s", (int)digits, text), UINT64_MAX >> 41, &number))
        return false;
    for (const char *at = "KMGT"; unit != NULL && *at != '\0'; at++) {
        number *= 1024;
        if (*at == *unit)
            break;
    }
    return test(size < number ? -1 : size > number);
}

static bool has_memory(const char *text) {
    struct sysinfo system;
    return sysinfo(&system) == 0 && compares((uint64_t)system.totalram * system.mem_unit, text);
}

static bool has_cpus(const char *text) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && compares((uint64_t)CPU_COUNT(&set), text);
}

/* Return true if a text file of the kernel has the word. */
static bool has_word(const char *path, const char *word) {
    char *text = read_file(path, 1 << 20, NULL);
    for (char *at = text != NULL ? strtok(text, " \t\n") : NULL; at != NULL; at = strtok(NULL, " \t\n"))
        if (strcmp(at, word) == 0)
            return true;
    return false;
}

static bool has_feature(const char *name) { return has_word("/proc/cpuinfo", name); }

static bool has_controller(const char *name) {
    if (strcmp(name, "v1") == 0 || strcmp(name, "v2") == 0)
        return path_exists("/sys/fs/cgroup/cgroup.controllers") == (name[1] == '2');
    return has_word("/sys/fs/cgroup/cgroup.controllers", name);
}

static bool has_module(const char *name) {
    char *path = format("/sys/module/%s", name);
    for (char *at = path; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
    return path_exists(path);
}

static bool is_container(void) {
    return path_exists("/run/.containerenv") || path_exists("/.dockerenv") ||
           path_exists("/run/host/container-manager");
}

/* The hypervisor is known by the processor's flag and the firmware's vendor. */
static bool is_virtual(const char *name) {
    bool container = is_container(), machine = !container && has_feature("hypervisor");
    char *vendor = read_file("/sys/class/dmi/id/sys_vendor", 256, NULL);
    bool emulated = !container && vendor != NULL && strstr(vendor, "QEMU") != NULL;
    if (strcmp(name, "yes") == 0 || strcmp(name, "no") == 0 || strcmp(name, "1") == 0)
        return (container || machine || emulated) == (strcmp(name, "no") != 0);
    if (strcmp(name, "container") == 0)
        return container;
    if (strcmp(name, "vm") == 0)
        return machine || emulated;
    return (strcmp(name, "qemu") == 0 || strcmp(name, "kvm") == 0) && emulated && machine == (name[0] == 'k');
}

static bool has_capability(const char *name) {
    int number = capability_number(name);
    return number >= 0 && in_bounding_set(number);
}

static bool has_security(const char *name) {
    char *enabled;
    if (strcmp(name, "apparmor") == 0) {
        enabled = read_file("/sys/module/apparmor/parameters/enabled", 16, NULL);
        return enabled != NULL && enabled[0] == 'Y';
    }
    if (strcmp(name, "selinux") == 0)
        return path_exists("/sys/fs/selinux/enforce");
    if (strcmp(name, "ima") == 0)
        return path_exists("/sys/kernel/security/ima");
    return strcmp(name, "tpm2") == 0 && path_exists("/dev/tpmrm0");
}

/* True on mains power: a machine without batteries, or with one adapter that is online. */
static bool is_on_power(const char *text) {
    bool wanted = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    struct words adapters = match_paths("/sys/class/power_supply/*/online");
    bool online = adapters.count == 0;
    for (size_t at = 0; at < adapters.count; at++) {
        char *state = read_file(adapters.at[at], 16, NULL);
        online |= state != NULL && state[0] == '1';
    }
    return online == wanted;
}

static bool has_environment(const char *text) {
    size_t length = strcspn(text, "=");
    const char *value = getenv(format("%.*s", (int)length, text));
    return value != NULL && (text[length] == '\0' || strcmp(value, text + length + 1) == 0);
}

/* Return true for answers that are fixed in these machines: text is a boolean, and the fact is false. */
static bool is_wanted_false(const char *text) {
    return strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ||
           strcmp(text, "off") == 0;
}

static bool never(const char *text) { return text == NULL; }

static bool has_firmware(const char *name) {
    if (strcmp(name, "uefi") == 0)
        return path_exists("/sys/firmware/efi");
    return strcmp(name, "device-tree") == 0 && path_exists("/sys/firmware/devicetree");
}

/* All words must hold: FIELD, an operator, VALUE, of /etc/os-release. */
static bool is_release(const char *words) {
    char *text = read_file("/etc/os-release", 65536, NULL);
    while (text != NULL && *(words += strspn(words, " \t")) != '\0') {
        bool (*test)(int) = NULL;
        size_t length = strcspn(words, "=<>!");
        char *field = format("\n%.*s=", (int)length, words), *whole = format("\n%s", text);
        words += length;
        if (!take_operator(&words, &test))
            return false;
        size_t size = strcspn(words, " \t");
        char *value = format("%.*s", (int)size, words), *at = strstr(whole, field);
        words += size;
        if (at != NULL)
            at += strlen(field) + (at[strlen(field)] == '"');
        char *has = at != NULL ? format("%.*s", (int)strcspn(at, "\"\n"), at) : copy("");
        if (!test(strverscmp(has, value)))
            return false;
    }
    return text != NULL;
}

static const struct {
    const char *kind;
    bool (*test)(const char *);
} kinds[] = {
    {"ACPower", is_on_power},
    {"CPUFeature", has_feature},
    {"CPUs", has_cpus},
    {"Capability", has_capability},
    {"ControlGroupController", has_controller},
    {"Credential", never},
    {"DirectoryNotEmpty", is_not_empty_directory},
    {"Environment", has_environment},
    {"FileIsExecutable", is_executable},
    {"FileNotEmpty", is_not_empty_file},
    {"Firmware", has_firmware},
    {"FirstBoot", is_wanted_false},
    {"Group", is_root},
    {"Host", is_host},
    {"KernelCommandLine", has_kernel_word},
    {"KernelModuleLoaded", has_module},
    {"KernelVersion", is_kernel_version},
    {"Memory", has_memory},
    {"NeedsUpdate", never},
    {"OSRelease", is_release},
    {"PathExists", path_exists},
    {"PathExistsGlob", glob_exists},
    {"PathIsDirectory", is_directory},
    {"PathIsEncrypted", never},
    {"PathIsMountPoint", is_mount_point},
    {"PathIsReadWrite", is_writable},
    {"PathIsSymbolicLink", is_link},
    {"Security", has_security},
    {"User", is_root},
    {"Version", is_kernel_version},
    {"Virtualization", is_virtual},
};

static bool holds(const struct line *line) {
    for (size_t at = 0; at < sizeof kinds / sizeof *kinds; at++)
        if (strcmp(kinds[at].kind, line->fields[1]) == 0)
            return kinds[at].test(line->fields[2]) == (strchr(line->fields[0], '!') == NULL);
    return false;
}

/* Return the kind of a condition that this program does not know, or NULL. */
const char *unknown_condition(const struct plan *plan) {
    for (const struct line *line = plan->lines; line < plan->lines + plan->count; line++) {
        if (strcmp(line->key, "condition") != 0 && strcmp(line->key, "assert") != 0)
            continue;
        size_t at = 0, count = sizeof kinds / sizeof *kinds;
        while (at < count && strcmp(kinds[at].kind, line->fields[1]) != 0)
            at++;
        if (at == count)
            return line->fields[1];
    }
    return NULL;
}

/* Return the condition (`key` is condition or assert) that does not hold; NULL if all hold.
 * Of those with | one must hold.
 */
const struct line *failed_condition(const struct plan *plan, const char *key) {
    const struct line *triggering = NULL;
    bool triggered = false;
    for (const struct line *line = NULL; (line = plan_next(plan, key, line)) != NULL;) {
        bool held = holds(line);
        if (strchr(line->fields[0], '|') != NULL) {
            triggering = line;
            triggered |= held;
        } else if (!held) {
            return line;
        }
    }
    return triggered ? NULL : triggering;
}
