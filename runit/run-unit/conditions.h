/* The conditions and assertions of a unit. */
#ifndef CONDITIONS_H
#define CONDITIONS_H
#include "plan.h"

const struct line *failed_condition(const struct plan *plan, const char *key);
const char *unknown_condition(const struct plan *plan);
bool is_mount_point(const char *path);
#endif
