/* A command of a unit, started as the plan describes. */
#ifndef EXEC_H
#define EXEC_H
#include "unit.h"

enum step { STEP_CONDITION, STEP_PRE, STEP_START, STEP_POST, STEP_RELOAD, STEP_STOP, STEP_STOP_POST };

bool set_blocking(int fd, bool blocks);
pid_t spawn(struct unit *unit, const struct line *command, enum step step);

#endif
