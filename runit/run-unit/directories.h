/* The directories of a unit. */
#ifndef DIRECTORIES_H
#define DIRECTORIES_H
#include "accounts.h"

char *directory_path(const struct line *line, const struct account *account);
bool make_parents(const char *path, mode_t mode);
bool make_directories(const struct plan *plan, const struct account *account, int *status);
void add_directory_variables(struct words *environment, const struct plan *plan);
void remove_tree(const char *path);
void remove_runtime_directories(const struct plan *plan, bool restarts);
#endif
