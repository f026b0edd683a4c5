/* The devices that a unit may open. */
#ifndef DEVICE_POLICY_H
#define DEVICE_POLICY_H
#include "plan.h"

void limit_devices(const struct plan *plan, const char *cgroup);
#endif
