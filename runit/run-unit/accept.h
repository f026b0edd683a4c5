/* Connections of a unit whose socket accepts them. */
#ifndef ACCEPT_H
#define ACCEPT_H
#include "unit.h"

bool serve_connections(struct unit *unit);
#endif
