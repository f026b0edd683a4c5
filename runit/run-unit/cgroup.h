/* The control group of a unit. */
#ifndef CGROUP_H
#define CGROUP_H
#include <sys/types.h>

#include "plan.h"

void make_cgroup(const char *service);
void limit_cgroup(const struct plan *plan);
bool enter_cgroup(void);
struct pids {
    pid_t *at;
    size_t count;
};
struct pids unit_pids(void);
bool in_unit(pid_t pid);
bool signal_unit(int number, pid_t without);
bool unit_was_short_of_memory(void);
void remove_cgroup(void);
#endif
