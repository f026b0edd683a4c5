/* The privileges of a command: capabilities, secure bits, user, NoNewPrivileges= and the seccomp filter.
 *
 * Capabilities are set by system calls, because libcap is not in a static program. Sources: capabilities(7),
 * and the order of exec_invoke() in systemd's src/core/exec-invoke.c.
 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "status.h"

#define BIT(number) (1ull << (number))
#define ALL ((uint64_t)-1)
#define MOST_FILTER (1 << 19)

static const char *const names[] = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};
#define COUNT ((int)(sizeof names / sizeof *names))

struct capabilities {
    uint64_t effective, permitted, inheritable;
};

/* Return the number of a capability by name, with or without CAP_, in either case; -1 if there is none. */
int capability_number(const char *name) {
    if (strncasecmp(name, "cap_", 4) == 0)
        name += 4;
    for (int at = 0; at < COUNT; at++)
        if (strcasecmp(names[at], name) == 0)
            return at;
    return -1;
}

/* Return a name in the plan that is no capability, or NULL. */
const char *unknown_capability(const struct plan *plan) {
    for (const struct line *line = plan->lines; line < plan->lines + plan->count; line++)
        if (strcmp(line->key, "bounding") == 0 || strcmp(line->key, "ambient") == 0)
            for (size_t at = 0; at < line->count; at++)
                if (capability_number(line->fields[at]) < 0)
                    return line->fields[at];
    return NULL;
}

bool in_bounding_set(int number) { return prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1; }

static bool get(struct capabilities *held) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    held->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    held->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    held->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return true;
}

static bool set(const struct capabilities *wanted) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)wanted->effective, (uint32_t)wanted->permitted, (uint32_t)wanted->inheritable},
        {(uint32_t)(wanted->effective >> 32), (uint32_t)(wanted->permitted >> 32),
         (uint32_t)(wanted->inheritable >> 32)},
    };
    return syscall(SYS_capset, &header, data) == 0;
}

bool may_use(int number) {
    struct capabilities held;
    return get(&held) && (held.effective & BIT(number)) != 0;
}

static uint64_t set_of(const struct plan *plan, const char *key) {
    uint64_t bits = 0;
    for (const struct line *line = NULL; (line = plan_next(plan, key, line)) != NULL;)
        for (size_t at = 0; at < line->count; at++)
            bits |= BIT(capability_number(line->fields[at]));
    return bits;
}

/* Return the bounding set: the plan's, without the capabilities that sandboxing takes away. */
uint64_t kept_capabilities(const struct plan *plan) {
    uint64_t kept = plan_has(plan, "bounding") ? set_of(plan, "bounding") : ALL;
    if (plan_yes(plan, "privatedevices"))
        kept &= ~(BIT(CAP_MKNOD) | BIT(CAP_SYS_RAWIO));
    if (plan_yes(plan, "protectmodules"))
        kept &= ~BIT(CAP_SYS_MODULE);
    if (plan_yes(plan, "protectlogs"))
        kept &= ~BIT(34 /* CAP_SYSLOG */);
    if (plan_yes(plan, "protectclock"))
        kept &= ~(BIT(CAP_SYS_TIME) | BIT(35 /* CAP_WAKE_ALARM */));
    return kept;
}

/* Drop from the bounding set, and from the other sets, all that is not in `kept`. */
static bool drop_bounding(uint64_t kept) {
    struct capabilities held;
    if (kept == ALL)
        return true;
    if (!get(&held))
        return false;
    struct capabilities able = held;
    able.effective |= BIT(CAP_SETPCAP) & held.permitted;
    if (!set(&able))
        return false;
    for (int number = 0; number < 64; number++)
        if ((kept & BIT(number)) == 0 && in_bounding_set(number) &&
            prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
            return false;
    held.inheritable &= kept;
    return set(&held);
}

static bool add_ambient(uint64_t ambient) {
    struct capabilities held;
    if (ambient == 0)
        return true;
    if (!get(&held))
        return false;
    held.inheritable |= ambient;
    held.permitted |= ambient;
    if (!set(&held))
        return false;
    for (int number = 0; number < COUNT; number++)
        if ((ambient & BIT(number)) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0)
            return false;
    return true;
}

static int secure_bits(const struct plan *plan) {
    static const struct {
        const char *name;
        int bit;
    } bits[] = {
        {"noroot", SECBIT_NOROOT},
        {"noroot-locked", SECBIT_NOROOT_LOCKED},
        {"no-setuid-fixup", SECBIT_NO_SETUID_FIXUP},
        {"no-setuid-fixup-locked", SECBIT_NO_SETUID_FIXUP_LOCKED},
        {"keep-caps", SECBIT_KEEP_CAPS},
        {"keep-caps-locked", SECBIT_KEEP_CAPS_LOCKED},
    };
    int sum = 0;
    for (const struct line *line = NULL; (line = plan_next(plan, "securebits", line)) != NULL;)
        for (size_t at = 0; at < line->count; at++)
            for (size_t bit = 0; bit < sizeof bits / sizeof *bits; bit++)
                if (strcmp(bits[bit].name, line->fields[at]) == 0)
                    sum |= bits[bit].bit;
    return sum;
}

/* Change to the account's user, keeping `kept` capabilities, which need not be effective. */
static int change_user(const struct account *account, uint64_t kept) {
    struct capabilities held;
    if (account->uid == 0)
        return 0;
    if (kept != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return STATUS_USER;
    if (setresuid(account->uid, account->uid, account->uid) != 0)
        return STATUS_USER;
    if (kept == 0)
        return 0;
    if (!get(&held))
        return STATUS_CAPABILITIES;
    held.permitted &= kept;
    held.effective = held.permitted;
    return set(&held) ? 0 : STATUS_CAPABILITIES;
}

/* Read the filter at `path`, an array of struct sock_filter. Return 0 or an exit status, with errno set. */
int read_filter(struct sock_fprog *filter, const char *path) {
    size_t length;
    char *bytes = read_file(path, MOST_FILTER, &length);
    if (bytes == NULL || length == 0 || length % sizeof(struct sock_filter) != 0 ||
        length / sizeof(struct sock_filter) > 0xffff) {
        if (bytes != NULL)
            errno = EINVAL;
        return STATUS_SECCOMP;
    }
    *filter = (struct sock_fprog){(unsigned short)(length / sizeof(struct sock_filter)), (void *)bytes};
    return 0;
}

/* Install a filter. The process may lack privileges afterwards. */
int install_filter(const struct sock_fprog *filter) {
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0)
        return 0;
    if (errno == ENOSYS || (errno == EINVAL && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)) {
        say("this kernel has no seccomp; ignoring the filter of system calls");
        return 0;
    }
    return STATUS_SECCOMP;
}

/* Apply all but the filter; return 0 or an exit status, with errno set.
 *
 * What execve keeps is exact then: root gets the bounding set, others the ambient set. `filters`: a seccomp
 * filter follows, which needs CAP_SYS_ADMIN or NoNewPrivileges.
 */
int drop_privileges(const struct plan *plan, const struct account *account, bool filters, bool set_user,
                    bool sandboxed) {
    uint64_t ambient = set_user ? set_of(plan, "ambient") : 0, kept = kept_capabilities(plan);
    bool no_new = sandboxed && (plan_yes(plan, "nnp") || plan_yes(plan, "dynamicuser"));
    bool other_user = set_user && account->given && account->uid != 0;
    uint64_t filter = filters && !no_new ? BIT(CAP_SYS_ADMIN) : 0;
    int bits = secure_bits(plan), status;
    struct capabilities held;
    if ((sandboxed && !drop_bounding(kept)) || !add_ambient(ambient))
        return STATUS_CAPABILITIES;
    if (set_user && account->given) {
        status = change_user(account, ambient | filter | BIT(CAP_SETPCAP));
        if (status != 0)
            return status;
        /* A change of the user clears the ambient set. */
        if (!add_ambient(ambient))
            return STATUS_CAPABILITIES;
    }
    if (set_user && bits != 0 && prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0)
        return STATUS_SECUREBITS;
    if (other_user || (sandboxed && kept != ALL)) {
        if (!get(&held))
            return STATUS_CAPABILITIES;
        held.permitted &= (other_user ? ambient : kept) | filter;
        held.effective = held.permitted;
        held.inheritable = ambient;
        if (!set(&held))
            return STATUS_CAPABILITIES;
    }
    if (no_new && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return STATUS_NO_NEW_PRIVILEGES;
    return 0;
}
