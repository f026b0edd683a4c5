/* The terminal of a command. */
#ifndef TERMINAL_H
#define TERMINAL_H
#include "plan.h"

void prepare_terminal(const struct plan *plan);
#endif
