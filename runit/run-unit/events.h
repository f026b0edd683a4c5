/* The events that a unit waits for. */
#ifndef EVENTS_H
#define EVENTS_H
#include "unit.h"

void open_events(struct unit *unit);
void wait_event(struct unit *unit, uint64_t until);
#endif
