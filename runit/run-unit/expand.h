/* The expansion of variables in a command's arguments. */
#ifndef EXPAND_H
#define EXPAND_H
#include "text.h"

void split_words(struct words *list, const char *text);
struct words expand_arguments(char *const *arguments, const struct words *environment);
const char *find_variable(const struct words *environment, const char *name, size_t length);
#endif
