/* The messages of a unit's processes. */
#ifndef NOTIFY_H
#define NOTIFY_H
#include "unit.h"

bool open_notify(struct unit *unit);
void read_notify(struct unit *unit);
void set_main(struct unit *unit, pid_t pid);
#endif
