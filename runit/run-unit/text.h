/* Text: memory that never fails, lists of words, and lines of the log. */
#ifndef TEXT_H
#define TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREVER UINT64_MAX
#define SECOND 1000000ull

/* A list that ends with NULL, as for execve. */
struct words {
    char **at;
    size_t count;
};

extern int log_fd;           /* where lines of the log go: standard error at the start */
extern const char *log_name; /* the unit's name, before each line */

void *must(void *memory);
char *copy(const char *text);
char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
void say(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
void add_word(struct words *list, char *word);
bool starts_with(const char *text, const char *start);
bool parse_number(const char *text, uint64_t most, uint64_t *number);
bool parse_integer(const char *text, long least, long most, long *number);
bool parse_time(const char *text, uint64_t *microseconds);
char *read_file(const char *path, size_t most, size_t *length);
bool write_file(const char *path, const char *text);
bool replace_file(const char *path, const char *text);
uint64_t now(void);
#endif
