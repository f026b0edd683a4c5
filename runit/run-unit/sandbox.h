/* The mount namespace of a command. */
#ifndef SANDBOX_H
#define SANDBOX_H
#include "accounts.h"

struct sandbox {
    char *temporary;    /* folder with the private /tmp and /var/tmp, or NULL */
    const char *notify; /* the socket's folder, which stays visible in a RootDirectory= */
};

bool make_private_tmp(struct sandbox *sandbox, const struct plan *plan);
bool needs_mounts(const struct plan *plan);
int enter_sandbox(const struct sandbox *sandbox, const struct plan *plan, const struct account *account);
#endif
