/* The namespaces of a unit but that of mounts. */
#ifndef NAMESPACES_H
#define NAMESPACES_H
#include "unit.h"

bool make_namespaces(struct unit *unit);
int enter_namespaces(const struct unit *unit);
bool enter_user_namespace(const struct account *account, const char *kind);
#endif
