/* Shell patterns of names and paths: * ? [set] and \x, as glob(7) defines them.
 *
 * They replace fnmatch and glob of the C library, whose tables of characters are larger than this program.
 */
#include "patterns.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Match one byte against the set at `*pattern`, behind its [; move that behind the set. An open set is a [.
 */
static bool matches_set(const char **pattern, char byte) {
    const char *at = *pattern, *first;
    bool inverted = *at == '!' || *at == '^', found = false;
    at += inverted;
    first = at;
    while (*at != '\0' && (*at != ']' || at == first)) {
        char low = *at++;
        if (low == '\\' && *at != '\0')
            low = *at++;
        char high = low;
        if (at[0] == '-' && at[1] != ']' && at[1] != '\0') {
            high = at[1];
            at += 2;
        }
        found |= byte >= low && byte <= high;
    }
    if (*at == '\0')
        return byte == '[';
    *pattern = at + 1;
    return found != inverted;
}

bool matches(const char *pattern, const char *text) {
    const char *star = NULL, *retry = NULL;
    while (*text != '\0' || *pattern != '\0') {
        const char *next = pattern + 1;
        bool same;
        if (*pattern == '*') {
            star = next;
            retry = text;
            pattern = next;
            continue;
        }
        if (*pattern == '[')
            same = matches_set(&next, *text);
        else if (*pattern == '\\' && *next != '\0')
            same = *next++ == *text;
        else
            same = *pattern == '?' || *pattern == *text;
        if (same && *text != '\0' && *pattern != '\0') {
            pattern = next;
            text++;
        } else if (star != NULL && *retry != '\0') {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    return true;
}

static int by_name(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Add the paths below `folder` (with its slash) that match the rest of a pattern, which has no first slash.
 */
static void add_matches(struct words *found, const char *folder, const char *pattern, int depth) {
    size_t length = strcspn(pattern, "/");
    char *part = format("%.*s", (int)length, pattern);
    const char *rest = pattern + length + strspn(pattern + length, "/");
    bool last = pattern[length] == '\0';
    if (strpbrk(part, "*?[\\") == NULL) {
        char *path = format("%s%s", folder, part);
        if (!last)
            add_matches(found, format("%s/", path), rest, depth + 1);
        else if (access(path, F_OK) == 0)
            add_word(found, path);
        return;
    }
    DIR *entries = depth < 64 ? opendir(folder) : NULL;
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if ((entry->d_name[0] == '.' && part[0] != '.') || !matches(part, entry->d_name))
            continue;
        char *path = format("%s%s", folder, entry->d_name);
        if (last)
            add_word(found, path);
        else
            add_matches(found, format("%s/", path), rest, depth + 1);
    }
    closedir(entries);
}

/* Return the existing paths that match an absolute pattern, sorted. */
struct words match_paths(const char *pattern) {
    struct words found = {0};
    add_matches(&found, "/", pattern + strspn(pattern, "/"), 0);
    if (found.count > 0)
        qsort(found.at, found.count, sizeof *found.at, by_name);
    return found;
}
