/* The plan: the lines of a unit, as the build wrote them. */
#ifndef PLAN_H
#define PLAN_H
#include "text.h"

struct line {
    const char *key;
    char **fields; /* ends with NULL */
    size_t count;
    size_t number; /* of the line in the file, from 1 */
};

struct plan {
    struct line *lines;
    size_t count;
};

char *plan_read(struct plan *plan, const char *path);
char *plan_parse(struct plan *plan, char *text, size_t length);
const struct line *plan_next(const struct plan *plan, const char *key, const struct line *after);
const struct line *plan_last(const struct plan *plan, const char *key);
const char *plan_text(const struct plan *plan, const char *key, const char *otherwise);
bool plan_is(const struct plan *plan, const char *key, const char *value);
bool plan_yes(const struct plan *plan, const char *key);
bool plan_has(const struct plan *plan, const char *key);
long plan_integer(const struct plan *plan, const char *key, long otherwise);
uint64_t plan_time(const struct plan *plan, const char *key, const char *which, uint64_t otherwise);
int signal_number(const char *text);
int plan_signal(const struct plan *plan, const char *key, int otherwise);
#endif
