/* The devices that a unit may open: DevicePolicy= and DeviceAllow=, as a BPF program of its control group.
 *
 * The program gets struct bpf_cgroup_dev_ctx of the kernel's bpf.h, and returns 1 to allow. Each rule is a
 * test of kind, rights, major and minor number.
 */
#include "device_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "patterns.h"

#define MOST 1024
#define ANY (-1)

struct program {
    struct bpf_insn steps[MOST];
    size_t count;
};

static void add(struct program *program, uint8_t code, uint8_t to, uint8_t from, int16_t offset,
                int32_t value) {
    if (program->count < MOST)
        program->steps[program->count++] =
            (struct bpf_insn){.code = code, .dst_reg = to, .src_reg = from, .off = offset, .imm = value};
}

/* Load access, kind, major and minor into the registers 2 to 5. */
static void add_start(struct program *program) {
    add(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_2, BPF_REG_1, 0, 0);
    add(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
    add(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, 0xffff);
    add(program, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 16);
    add(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_4, BPF_REG_1, 4, 0);
    add(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_5, BPF_REG_1, 8, 0);
}

static void add_end(struct program *program, bool allow) {
    add(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
    add(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void add_rule(struct program *program, bool block, int major, int minor, const char *rights) {
    int access = 0;
    for (; *rights != '\0'; rights++)
        access |= *rights == 'r'   ? BPF_DEVCG_ACC_READ
                  : *rights == 'w' ? BPF_DEVCG_ACC_WRITE
                                   : BPF_DEVCG_ACC_MKNOD;
    int16_t left = (int16_t)(2 + (minor != ANY) + (major != ANY) + 3);
    add(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, left--,
        block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    add(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
    left--;
    add(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, ~access & 7);
    left--;
    add(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_1, 0, left--, 0);
    if (major != ANY)
        add(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, left--, major);
    if (minor != ANY)
        add(program, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, left--, minor);
    add_end(program, true);
}

/* Add the majors of a group of devices: its name, a pattern, in /proc/devices. */
static void add_group(struct program *program, const char *name, const char *rights) {
    bool block = starts_with(name, "block-"), in_block = false;
    char *text = read_file("/proc/devices", 1 << 16, NULL), *rest = NULL;
    name = strchr(name, '-') + 1;
    for (char *line = text != NULL ? strtok_r(text, "\n", &rest) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (starts_with(line, "Block"))
            in_block = true;
        char *group;
        long major = strtol(line, &group, 10);
        if (group != line && *group == ' ' && in_block == block && matches(name, group + 1))
            add_rule(program, block, (int)major, ANY, rights);
    }
    free(text);
}

static void add_device(struct program *program, const char *path, const char *rights) {
    struct stat found;
    if (starts_with(path, "char-") || starts_with(path, "block-"))
        add_group(program, path, rights);
    else if (stat(path, &found) == 0 && (S_ISCHR(found.st_mode) || S_ISBLK(found.st_mode)))
        add_rule(program, S_ISBLK(found.st_mode), (int)major(found.st_rdev), (int)minor(found.st_rdev),
                 rights);
}

static bool attach(const struct program *program, const char *cgroup) {
    union bpf_attr load, attr;
    memset(&load, 0, sizeof load);
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = (uint64_t)(uintptr_t)program->steps;
    load.insn_cnt = (uint32_t)program->count;
    load.license = (uint64_t)(uintptr_t)"MIT";
    int loaded = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
    int group = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memset(&attr, 0, sizeof attr);
    attr.target_fd = (uint32_t)group;
    attr.attach_bpf_fd = (uint32_t)loaded;
    attr.attach_type = BPF_CGROUP_DEVICE;
    bool done = loaded >= 0 && group >= 0 && syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr) == 0;
    int error = errno;
    if (loaded >= 0)
        close(loaded);
    if (group >= 0)
        close(group);
    errno = error;
    return done;
}

/* Limit the devices of a control group as the plan says. A kernel that cannot is one note. */
void limit_devices(const struct plan *plan, const char *cgroup) {
    static const char *const usual[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                        "/dev/urandom", "/dev/tty",  "/dev/ptmx", "char-pts"};
    const char *policy = plan_text(plan, "devicepolicy", "auto");
    if (strcmp(policy, "auto") == 0 && !plan_has(plan, "deviceallow"))
        return;
    struct program *program = must(calloc(1, sizeof *program));
    add_start(program);
    for (size_t at = 0; strcmp(policy, "strict") != 0 && at < sizeof usual / sizeof *usual; at++)
        add_device(program, usual[at], "rwm");
    for (const struct line *line = NULL; (line = plan_next(plan, "deviceallow", line)) != NULL;)
        add_device(program, line->fields[0], line->fields[1]);
    add_end(program, false);
    if (program->count == MOST)
        say("too many devices are allowed; ignoring DeviceAllow");
    else if (!attach(program, cgroup))
        say("this kernel cannot limit devices (%s); ignoring DevicePolicy and DeviceAllow", strerror(errno));
    free(program);
}
