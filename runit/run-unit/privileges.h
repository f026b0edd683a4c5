/* The privileges of a command. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H
#include <linux/filter.h>

#include "accounts.h"

int capability_number(const char *name);
const char *unknown_capability(const struct plan *plan);
bool in_bounding_set(int number);
bool may_use(int number);
uint64_t kept_capabilities(const struct plan *plan);
int drop_privileges(const struct plan *plan, const struct account *account, bool filters, bool set_user,
                    bool sandboxed);
int read_filter(struct sock_fprog *filter, const char *path);
int install_filter(const struct sock_fprog *filter);
#endif
