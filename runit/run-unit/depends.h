/* The services that a unit depends on. */
#ifndef DEPENDS_H
#define DEPENDS_H
#include "unit.h"

enum wait { WAIT_DONE, WAIT_STOPPED, WAIT_FAILED };

enum wait wait_for_services(struct unit *unit);
void watch_services(struct unit *unit);
void take_changes(struct unit *unit);
bool needed_services_stay_down(const struct unit *unit);
bool others_start(const struct unit *unit);
int is_ready(const char *service);
void stay_down(const struct unit *unit);
#endif
