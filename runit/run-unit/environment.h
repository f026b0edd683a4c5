/* The environment of a unit's commands. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H
#include "plan.h"

void set_variable(struct words *environment, const char *name, const char *value);
void base_environment(struct words *environment);
char *add_plan_environment(struct words *environment, const struct plan *plan);
#endif
