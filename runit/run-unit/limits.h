/* Limits and scheduling of a command. */
#ifndef LIMITS_H
#define LIMITS_H
#include "plan.h"

int set_scheduling(const struct plan *plan);
int set_limits(const struct plan *plan);
const char *unknown_limit(const struct plan *plan);
#endif
