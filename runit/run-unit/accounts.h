/* The account of a unit's commands. */
#ifndef ACCOUNTS_H
#define ACCOUNTS_H
#include <sys/types.h>

#include "plan.h"

#define MOST_GROUPS 256

struct account {
    bool given;     /* the plan names a user */
    bool has_group; /* the plan names a group */
    bool dynamic;
    uid_t uid;
    gid_t gid;
    const char *name, *home, *shell;
    gid_t groups[MOST_GROUPS];
    size_t group_count;
    bool has_groups; /* set the supplementary groups */
};

bool find_uid(const char *name, uid_t *uid);
bool find_gid(const char *name, gid_t *gid);
char *find_account(struct account *account, const struct plan *plan, const char *unit, int *status);
#endif
