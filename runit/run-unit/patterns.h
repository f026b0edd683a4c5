/* Shell patterns of names and paths. */
#ifndef PATTERNS_H
#define PATTERNS_H
#include "text.h"

bool matches(const char *pattern, const char *text);
struct words match_paths(const char *pattern);
#endif
