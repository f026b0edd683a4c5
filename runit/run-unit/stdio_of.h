/* Standard input, output and error of a command. */
#ifndef STDIO_OF_H
#define STDIO_OF_H
#include "unit.h"

void open_stdio(const struct plan *plan, const struct unit *unit, int *status);
#endif
