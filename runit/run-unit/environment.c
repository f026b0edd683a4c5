/* The environment of a unit's commands: defaults, PassEnvironment, Environment, EnvironmentFile, then
 * UnsetEnvironment, each after the other as in systemd.exec(5).
 */
#include "environment.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "patterns.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
#define WRAPPERS "/run/wrappers/bin"
#define MOST_BYTES (1 << 22)

extern char **environ;

static bool is_name(const char *name, size_t length) {
    if (length == 0 || isdigit((unsigned char)name[0]))
        return false;
    for (size_t at = 0; at < length; at++)
        if (!isalnum((unsigned char)name[at]) && name[at] != '_')
            return false;
    return true;
}

void set_variable(struct words *environment, const char *name, const char *value) {
    size_t length = strlen(name);
    char *pair = format("%s=%s", name, value);
    for (size_t at = 0; at < environment->count; at++)
        if (strncmp(environment->at[at], pair, length + 1) == 0) {
            environment->at[at] = pair;
            return;
        }
    add_word(environment, pair);
}

/* Remove a variable by NAME, or by NAME=VALUE if it has that value. */
static void unset_variable(struct words *environment, const char *name) {
    size_t length = strlen(name), kept = 0;
    bool whole = strchr(name, '=') != NULL;
    for (size_t at = 0; at < environment->count; at++) {
        const char *pair = environment->at[at];
        if (whole ? strcmp(pair, name) != 0 : strncmp(pair, name, length) != 0 || pair[length] != '=')
            environment->at[kept++] = environment->at[at];
    }
    environment->count = kept;
    if (environment->at != NULL)
        environment->at[kept] = NULL;
}

/* Set what all units have: PATH, the locale, and the places of this machine. */
void base_environment(struct words *environment) {
    static const char *const kept[] = {"LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE"};
    set_variable(environment, "PATH", access(WRAPPERS, X_OK) == 0 ? WRAPPERS ":" DEFAULT_PATH : DEFAULT_PATH);
    for (size_t at = 0; at < sizeof kept / sizeof *kept; at++)
        if (getenv(kept[at]) != NULL)
            set_variable(environment, kept[at], getenv(kept[at]));
    for (char **pair = environ; *pair != NULL; pair++)
        if (starts_with(*pair, "LC_") && strchr(*pair, '=') != NULL)
            add_word(environment, *pair);
}

/* A reader of one file of the form that systemd.exec(5) defines for EnvironmentFile=. */
struct reader {
    struct words *environment;
    const char *at;
    char *value;
    size_t length;
    size_t trailing; /* blanks at the end of the value, outside of quotes */
};

static void put(struct reader *reader, char byte, bool blank) {
    reader->value[reader->length++] = byte;
    reader->trailing = blank ? reader->trailing + 1 : 0;
}

/* Read a part in single quotes, up to the byte after the closing one. */
static void read_single(struct reader *reader) {
    for (; *reader->at != '\0' && *reader->at != '\''; reader->at++)
        put(reader, *reader->at, false);
    if (*reader->at != '\0')
        reader->at++;
}

/* Read a part in double quotes. A backslash protects " \ ` and $, and joins lines. */
static void read_double(struct reader *reader) {
    for (; *reader->at != '\0' && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' && reader->at[1] != '\0') {
            reader->at++;
            if (*reader->at == '\n')
                continue;
            if (strchr("\"\\`$", *reader->at) == NULL)
                put(reader, '\\', false);
        }
        put(reader, *reader->at, false);
    }
    if (*reader->at != '\0')
        reader->at++;
}

/* Read a value, up to the end of its line. Quotes count at its start and after another quoted part. */
static void read_value(struct reader *reader) {
    bool quotable = true;
    reader->length = reader->trailing = 0;
    while (*reader->at != '\0' && *reader->at != '\n' && *reader->at != '\r') {
        char byte = *reader->at++;
        if (quotable && (byte == ' ' || byte == '\t'))
            continue;
        if (quotable && byte == '\'') {
            read_single(reader);
        } else if (quotable && byte == '"') {
            read_double(reader);
        } else {
            quotable = false;
            if (byte != '\\')
                put(reader, byte, byte == ' ' || byte == '\t');
            else if (*reader->at != '\0' && *reader->at++ != '\n')
                put(reader, reader->at[-1], false);
        }
    }
    reader->value[reader->length - reader->trailing] = '\0';
}

/* Skip a comment, which a backslash before the newline continues. */
static void skip_comment(struct reader *reader) {
    for (; *reader->at != '\0' && *reader->at != '\n'; reader->at++)
        if (*reader->at == '\\' && reader->at[1] != '\0')
            reader->at++;
}

/* Add the variables of a file; lines that are no assignments are skipped. Return false with errno set. */
static bool add_file(struct words *environment, const char *path) {
    size_t size;
    char *text = read_file(path, MOST_BYTES, &size);
    if (text == NULL)
        return false;
    struct reader reader = {environment, text, must(malloc(size + 1)), 0, 0};
    while (*reader.at != '\0') {
        reader.at += strspn(reader.at, " \t\r\n");
        if (*reader.at == '#' || *reader.at == ';') {
            skip_comment(&reader);
            continue;
        }
        size_t length = strcspn(reader.at, "=\n");
        const char *name = reader.at;
        reader.at += length;
        if (*reader.at != '=')
            continue;
        reader.at++;
        read_value(&reader);
        while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
            length--;
        if (is_name(name, length))
            set_variable(environment, format("%.*s", (int)length, name), reader.value);
        else if (length > 0)
            say("%s: not a variable's name: %.*s", path, (int)length, name);
    }
    return true;
}

/* Add what the plan sets. Return an error text if a file of the environment cannot be read, else NULL. */
char *add_plan_environment(struct words *environment, const struct plan *plan) {
    const struct line *line = NULL;
    while ((line = plan_next(plan, "passenv", line)) != NULL)
        for (size_t at = 0; at < line->count; at++)
            if (getenv(line->fields[at]) != NULL)
                set_variable(environment, line->fields[at], getenv(line->fields[at]));
    while ((line = plan_next(plan, "env", line)) != NULL)
        set_variable(environment, line->fields[0], line->fields[1]);
    while ((line = plan_next(plan, "envfile", line)) != NULL) {
        bool optional = strchr(line->fields[0], '-') != NULL;
        struct words found = match_paths(line->fields[1]);
        for (size_t at = 0; at < found.count; at++)
            if (!add_file(environment, found.at[at]) && !optional)
                return format("%s: %s", found.at[at], strerror(errno));
        if (found.count == 0 && !optional)
            return format("%s: %s", line->fields[1], strerror(ENOENT));
    }
    while ((line = plan_next(plan, "unsetenv", line)) != NULL)
        for (size_t at = 0; at < line->count; at++)
            unset_variable(environment, line->fields[at]);
    return NULL;
}
