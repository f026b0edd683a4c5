/* Text: memory that never fails, lists of words, numbers, small files, and lines of the log. */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int log_fd = 2;
const char *log_name = "run-unit";

/* Return `memory`; end the process if the allocation failed. */
void *must(void *memory) {
    if (memory == NULL) {
        static const char line[] = "run-unit: out of memory\n";
        (void)!write(log_fd, line, sizeof line - 1);
        _exit(204);
    }
    return memory;
}

char *copy(const char *text) { return must(strdup(text)); }

char *format(const char *pattern, ...) {
    va_list values;
    char *text = NULL;
    va_start(values, pattern);
    if (vasprintf(&text, pattern, values) < 0)
        text = NULL;
    va_end(values);
    return must(text);
}

/* Write one line to the log, with one call, so that lines of several processes do not mix. */
void say(const char *pattern, ...) {
    int error = errno;
    va_list values;
    char line[2048];
    int start = snprintf(line, sizeof line / 2, "%s: ", log_name);
    va_start(values, pattern);
    vsnprintf(line + start, sizeof line - (size_t)start - 1, pattern, values);
    va_end(values);
    size_t length = strlen(line);
    line[length++] = '\n';
    (void)!write(log_fd, line, length);
    errno = error;
}

void add_word(struct words *list, char *word) {
    list->at = must(realloc(list->at, (list->count + 2) * sizeof *list->at));
    list->at[list->count++] = word;
    list->at[list->count] = NULL;
}

bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* Read a decimal number that is at most `most`. */
bool parse_number(const char *text, uint64_t most, uint64_t *number) {
    uint64_t sum = 0;
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return sum <= most;
}

/* Read a decimal number with an optional minus. */
bool parse_integer(const char *text, long least, long most, long *number) {
    uint64_t size;
    bool below = *text == '-';
    if (!parse_number(text + below, INT32_MAX, &size))
        return false;
    *number = below ? -(long)size : (long)size;
    return *number >= least && *number <= most;
}

/* Read a time in microseconds, or "infinity". */
bool parse_time(const char *text, uint64_t *microseconds) {
    if (strcmp(text, "infinity") == 0) {
        *microseconds = FOREVER;
        return true;
    }
    return parse_number(text, FOREVER / 2, microseconds);
}

/* Return the file's bytes with a NUL after them; NULL with errno set, EFBIG if it is longer than `most`. */
char *read_file(const char *path, size_t most, size_t *length) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    size_t size = 0, room = 4096;
    char *bytes = must(malloc(room));
    for (;;) {
        ssize_t got = read(fd, bytes + size, room - size - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || size + (size_t)got > most) {
            int error = got < 0 ? errno : EFBIG;
            close(fd);
            free(bytes);
            errno = error;
            return NULL;
        }
        if (got == 0)
            break;
        size += (size_t)got;
        if (room - size < 2048)
            bytes = must(realloc(bytes, room *= 2));
    }
    close(fd);
    bytes[size] = '\0';
    if (length != NULL)
        *length = size;
    return bytes;
}

/* Write a text to an existing file of the kernel, or to a new file. */
bool write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0)
        return false;
    size_t length = strlen(text);
    ssize_t put = write(fd, text, length);
    int error = put < 0 ? errno : EIO;
    close(fd);
    errno = error;
    return put == (ssize_t)length;
}

/* Replace a file by one with this text, so that readers see the old or the new one. */
bool replace_file(const char *path, const char *text) {
    char *new = format("%s.new", path);
    bool done = write_file(new, text) && rename(new, path) == 0;
    free(new);
    return done;
}

/* Return the monotonic time in microseconds. */
uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec / 1000;
}
