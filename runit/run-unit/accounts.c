/* The account of a unit's commands: user, group and supplementary groups, from /etc/passwd and /etc/group.
 *
 * A dynamic user has a uid from 61184 to 65519, computed from its name, and no entry in /etc/passwd.
 */
#include "accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "status.h"

#define DYNAMIC_LEAST 61184u
#define DYNAMIC_MOST 65519u
#define CLAIMS "/run/runit/dynamic-users"

bool find_uid(const char *name, uid_t *uid) {
    uint64_t number;
    const struct passwd *entry = getpwnam(name);
    if (entry != NULL)
        *uid = entry->pw_uid;
    else if (parse_number(name, UINT32_MAX - 1, &number))
        *uid = (uid_t)number;
    else
        return false;
    return true;
}

bool find_gid(const char *name, gid_t *gid) {
    uint64_t number;
    const struct group *entry = getgrnam(name);
    if (entry != NULL)
        *gid = entry->gr_gid;
    else if (parse_number(name, UINT32_MAX - 1, &number))
        *gid = (gid_t)number;
    else
        return false;
    return true;
}

static void add_group(struct account *account, gid_t gid) {
    for (size_t at = 0; at < account->group_count; at++)
        if (account->groups[at] == gid)
            return;
    if (account->group_count < MOST_GROUPS)
        account->groups[account->group_count++] = gid;
}

/* Claim a uid for a name: a file by the uid has the name. Return false if another name has it. */
static bool claim(unsigned uid, const char *name) {
    char *path = format(CLAIMS "/%u", uid), *had;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0) {
        bool done = write(fd, name, strlen(name)) == (ssize_t)strlen(name);
        close(fd);
        return done;
    }
    had = read_file(path, 256, NULL);
    return had != NULL && strcmp(had, name) == 0;
}

/* Return a free uid for the name, the same at each boot unless another name took it; 0 if there is none. */
static uid_t dynamic_uid(const char *name) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    mkdir("/run/runit", 0755);
    mkdir(CLAIMS, 0755);
    unsigned range = DYNAMIC_MOST - DYNAMIC_LEAST + 1;
    for (unsigned try = 0; try < range; try++) {
        unsigned uid = DYNAMIC_LEAST + (hash + try) % range;
        if (getpwuid(uid) == NULL && getgrgid(uid) == NULL && claim(uid, name))
            return uid;
    }
    return 0;
}

static char *find_dynamic(struct account *account, const char *name) {
    account->dynamic = true;
    account->uid = dynamic_uid(name);
    if (account->uid == 0)
        return copy("no uid from 61184 to 65519 is free");
    account->gid = account->uid;
    account->name = name;
    account->home = "/";
    account->shell = "/usr/sbin/nologin";
    return NULL;
}

static char *find_user(struct account *account, const char *name, bool has_group) {
    uint64_t number;
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL && parse_number(name, UINT32_MAX - 1, &number)) {
        entry = getpwuid((uid_t)number);
        account->uid = (uid_t)number;
        account->gid = (gid_t)number;
        if (entry == NULL && !has_group)
            return format("the user %s has no entry in /etc/passwd, and the unit has no Group=", name);
    } else if (entry == NULL) {
        return format("the user %s does not exist", name);
    }
    account->name = name;
    if (entry != NULL) {
        account->uid = entry->pw_uid;
        account->gid = entry->pw_gid;
        account->name = copy(entry->pw_name);
        account->home = copy(entry->pw_dir);
        account->shell = copy(entry->pw_shell[0] != '\0' ? entry->pw_shell : "/bin/sh");
    }
    return NULL;
}

/* Fill in the account. Return an error text and set `status` (217 or 216), or return NULL. */
char *find_account(struct account *account, const struct plan *plan, const char *unit, int *status) {
    const char *user = plan_text(plan, "user", NULL), *group = plan_text(plan, "group", NULL);
    char *problem = NULL;
    memset(account, 0, sizeof *account);
    *status = STATUS_USER;
    account->given = user != NULL;
    account->has_group = group != NULL;
    if (plan_yes(plan, "dynamicuser") && (user == NULL || getpwnam(user) == NULL)) {
        if (user == NULL) {
            char *stem = copy(unit);
            stem[strcspn(stem, ".@")] = '\0';
            user = stem;
        }
        account->given = true;
        problem = find_dynamic(account, user);
    } else if (user != NULL) {
        problem = find_user(account, user, group != NULL);
    }
    if (problem != NULL)
        return problem;
    *status = STATUS_GROUP;
    if (group != NULL && !find_gid(group, &account->gid) && !account->dynamic)
        return format("the group %s does not exist", group);
    if (account->given && account->name != NULL && !account->dynamic) {
        int most = MOST_GROUPS;
        if (getgrouplist(account->name, account->gid, account->groups, &most) < 0)
            return format("the user %s is in more than %d groups", account->name, MOST_GROUPS);
        account->group_count = (size_t)most;
    }
    account->has_groups = account->given || group != NULL;
    for (const struct line *line = NULL; (line = plan_next(plan, "supplementary", line)) != NULL;)
        for (size_t at = 0; at < line->count; at++) {
            gid_t gid;
            if (!find_gid(line->fields[at], &gid))
                return format("the group %s does not exist", line->fields[at]);
            add_group(account, gid);
            account->has_groups = true;
        }
    if (account->has_groups)
        add_group(account, account->gid);
    return NULL;
}
