/* The expansion of variables in a command's arguments, as systemd.service(5) defines it ("Command lines").
 *
 * An argument $NAME becomes the words of the value, none if it is unset. ${NAME} in an argument becomes the
 * value. $$ is a dollar sign. All else stays as it is.
 */
#include "expand.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\n\r"

/* Return the value of a variable whose name has `length` bytes, or NULL. The last definition counts. */
const char *find_variable(const struct words *environment, const char *name, size_t length) {
    for (size_t at = environment->count; at-- > 0;) {
        const char *pair = environment->at[at];
        if (strncmp(pair, name, length) == 0 && pair[length] == '=')
            return pair + length + 1;
    }
    return NULL;
}

/* Add the words of a text to a list. Quotes group, a backslash protects; an open quote ends with the text. */
void split_words(struct words *list, const char *text) {
    for (;;) {
        text += strspn(text, BLANKS);
        if (*text == '\0')
            return;
        char *word = must(malloc(strlen(text) + 1)), *to = word, quote = '\0';
        for (; *text != '\0' && (quote != '\0' || strchr(BLANKS, *text) == NULL); text++) {
            if (*text == '\\') {
                if (*++text == '\0')
                    break;
                *to++ = *text;
            } else if (quote != '\0' ? *text == quote : *text == '"' || *text == '\'') {
                quote = quote != '\0' ? '\0' : *text;
            } else {
                *to++ = *text;
            }
        }
        *to = '\0';
        add_word(list, word);
    }
}

/* Return an argument with the values of ${NAME} and with $ for $$. */
static char *expand_one(const char *text, const struct words *environment) {
    char *result = copy("");
    size_t length = 0;
    while (*text != '\0') {
        const char *piece = text;
        size_t size = 1;
        const char *close = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
        if (text[0] == '$' && text[1] == '$') {
            text += 2;
        } else if (close != NULL) {
            piece = find_variable(environment, text + 2, (size_t)(close - text - 2));
            size = piece != NULL ? strlen(piece) : 0;
            text = close + 1;
        } else {
            text++;
        }
        result = must(realloc(result, length + size + 1));
        if (size > 0)
            memcpy(result + length, piece, size);
        length += size;
    }
    result[length] = '\0';
    return result;
}

struct words expand_arguments(char *const *arguments, const struct words *environment) {
    struct words result = {0};
    for (; *arguments != NULL; arguments++) {
        const char *text = *arguments;
        if (text[0] == '$' && text[1] != '{' && text[1] != '$') {
            const char *value = find_variable(environment, text + 1, strlen(text + 1));
            if (value != NULL && text[1] != '\0')
                split_words(&result, value);
            continue;
        }
        add_word(&result, expand_one(text, environment));
    }
    return result;
}
