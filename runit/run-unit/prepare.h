/* What a unit needs before its first command. */
#ifndef PREPARE_H
#define PREPARE_H
#include "unit.h"

bool mount_needed(const struct plan *plan);
bool open_files(struct sockets *sockets, const struct plan *plan);
#endif
