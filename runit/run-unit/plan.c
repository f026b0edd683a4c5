/* The plan: the lines of a unit, each a key and fields, checked against one table of keys.
 *
 * Lines end with a newline, fields are separated by one tab. In a field \\ is a backslash, \t a tab and \n a
 * newline. A line with an unknown key, with too few or too many fields, or with a wrong value is refused.
 */
#include "plan.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (1 << 20)

/* The kinds of fields, one letter each; the last one repeats if * (any number) or + (at least one) follows.
 *   w  text, not empty             a  text, may be empty            p  absolute path
 *   n  decimal number              i  number, minus allowed         t  microseconds or infinity
 *   m  octal mode                  s  signal                        y  yes or no
 *   f  flags: any of - + ! : |     e  one of the row's words
 */
struct row {
    const char *key, *kinds, *words;
};

static const struct row table[] = {
    {"accept", "n", NULL},
    {"affinity", "w", NULL},
    {"after", "w*", NULL},
    {"ambient", "w*", NULL},
    {"assert", "fwa", NULL},
    {"bind", "fppe", "rec|norec"},
    {"bindro", "fppe", "rec|norec"},
    {"bindsto", "w*", NULL},
    {"bounding", "w*", NULL},
    {"cgroup", "wa", NULL},
    {"condition", "fwa", NULL},
    {"conflicts", "w*", NULL},
    {"coredumpfilter", "w", NULL},
    {"cpusched", "nny", NULL},
    {"cwd", "fw", NULL},
    {"deviceallow", "ww", NULL},
    {"devicepolicy", "e", "auto|closed|strict"},
    {"dir", "ewma*", "runtime|state|cache|logs|configuration"},
    {"dynamicuser", "y", NULL},
    {"env", "wa", NULL},
    {"envfile", "fw", NULL},
    {"exec", "fw", NULL},
    {"execcondition", "fwa+", NULL},
    {"exittype", "e", "main|cgroup"},
    {"finalkillsignal", "s", NULL},
    {"group", "w", NULL},
    {"guessmainpid", "y", NULL},
    {"hide", "fw", NULL},
    {"ignoresigpipe", "y", NULL},
    {"io", "nn", NULL},
    {"keyring", "e", "inherit|private|shared"},
    {"killmode", "e", "control-group|mixed|process|none"},
    {"killsignal", "s", NULL},
    {"limit", "www", NULL},
    {"listen", "ewww*", "stream|datagram|sequential|fifo|special|netlink"},
    {"lockpersonality", "y", NULL},
    {"mount", "fapaa", NULL},
    {"mountapi", "y", NULL},
    {"mountflags", "e", "slave|private|shared"},
    {"name", "w", NULL},
    {"nice", "i", NULL},
    {"nnp", "y", NULL},
    {"noexec", "fw", NULL},
    {"nonblocking", "y", NULL},
    {"notifyaccess", "e", "none|main|exec|all"},
    {"oom", "i", NULL},
    {"openfile", "pwa", NULL},
    {"partof", "w*", NULL},
    {"passenv", "w+", NULL},
    {"personality", "w", NULL},
    {"pidfile", "p", NULL},
    {"post", "fwa+", NULL},
    {"pre", "fwa+", NULL},
    {"preserve", "e", "no|yes|restart"},
    {"privatedevices", "y", NULL},
    {"privateipc", "y", NULL},
    {"privatemounts", "y", NULL},
    {"privatenetwork", "y", NULL},
    {"privatetmp", "e", "yes|no|connected|disconnected"},
    {"privateusers", "e", "yes|no|self|identity|full"},
    {"procsubset", "e", "all|pid"},
    {"protectcgroups", "y", NULL},
    {"protectclock", "y", NULL},
    {"protecthome", "e", "yes|no|read-only|tmpfs"},
    {"protecthostname", "y", NULL},
    {"protectlogs", "y", NULL},
    {"protectmodules", "y", NULL},
    {"protectproc", "e", "default|noaccess|invisible|ptraceable"},
    {"protectsystem", "e", "yes|no|full|strict"},
    {"protecttunables", "y", NULL},
    {"reload", "fwa+", NULL},
    {"reloadfrom", "w*", NULL},
    {"reloadsignal", "s", NULL},
    {"remain", "y", NULL},
    {"removeipc", "y", NULL},
    {"requires", "w*", NULL},
    {"restart", "e", "no|always|on-success|on-failure|on-abnormal|on-abort|on-watchdog"},
    {"restartforce", "w*", NULL},
    {"restartkillsignal", "s", NULL},
    {"restartprevent", "w*", NULL},
    {"restartsec", "t", NULL},
    {"restartsteps", "nt", NULL},
    {"ro", "fw", NULL},
    {"root", "p", NULL},
    {"runtimemax", "t", NULL},
    {"rw", "fw", NULL},
    {"seccomp", "y", NULL},
    {"securebits", "w*", NULL},
    {"sendsighup", "y", NULL},
    {"sendsigkill", "y", NULL},
    {"setloginenv", "y", NULL},
    {"slackns", "n", NULL},
    {"start", "fwa+", NULL},
    {"startlimit", "tn", NULL},
    {"stderr", "w", NULL},
    {"stdin", "w", NULL},
    {"stdindata", "a", NULL},
    {"stdout", "w", NULL},
    {"stop", "fwa+", NULL},
    {"stopfrom", "w*", NULL},
    {"stoppost", "fwa+", NULL},
    {"success", "w*", NULL},
    {"supplementary", "w*", NULL},
    {"syslogidentifier", "a", NULL},
    {"timeout", "et", "start|stop|abort"},
    {"timeoutfailure", "ew", "start|stop"},
    {"tmpfs", "pa", NULL},
    {"tty", "p", NULL},
    {"ttyreset", "y", NULL},
    {"ttyvhangup", "y", NULL},
    {"type", "ea*", "simple|exec|notify|notify-reload|forking|oneshot|idle|dbus"},
    {"umask", "m", NULL},
    {"unsetenv", "w+", NULL},
    {"user", "w", NULL},
    {"wants", "w*", NULL},
    {"watchdog", "t", NULL},
    {"watchdogsignal", "s", NULL},
};

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},   {"CONT", SIGCONT},
    {"FPE", SIGFPE},   {"HUP", SIGHUP},   {"ILL", SIGILL},       {"INT", SIGINT},     {"IO", SIGIO},
    {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},     {"PROF", SIGPROF},   {"PWR", SIGPWR},
    {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"STOP", SIGSTOP},     {"SYS", SIGSYS},     {"TERM", SIGTERM},
    {"TRAP", SIGTRAP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU},   {"URG", SIGURG},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ},
};

/* Return the number of a signal by number or name, both with or without SIG; 0 if there is none. */
int signal_number(const char *text) {
    uint64_t number;
    const char *name = starts_with(text, "SIG") ? text + 3 : text;
    if (parse_number(name, 64, &number))
        return (int)number;
    for (size_t at = 0; at < sizeof signals / sizeof *signals; at++)
        if (strcmp(signals[at].name, name) == 0)
            return signals[at].number;
    if (starts_with(name, "RTMIN+") && parse_number(name + 6, 30, &number))
        return SIGRTMIN + (int)number;
    if (starts_with(name, "RTMAX-") && parse_number(name + 6, 30, &number))
        return SIGRTMAX - (int)number;
    return 0;
}

static bool is_one_of(const char *text, const char *words) {
    size_t length = strlen(text);
    for (const char *at = words; length > 0; at++) {
        if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0'))
            return true;
        at = strchr(at, '|');
        if (at == NULL)
            break;
    }
    return false;
}

static bool fits(char kind, const char *field, const struct row *row) {
    uint64_t number;
    long integer;
    switch (kind) {
    case 'w': return *field != '\0';
    case 'p': return *field == '/';
    case 'n': return parse_number(field, INT64_MAX, &number);
    case 'i': return parse_integer(field, INT32_MIN, INT32_MAX, &integer);
    case 't': return parse_time(field, &number);
    case 'm': return *field != '\0' && strlen(field) <= 5 && strspn(field, "01234567") == strlen(field);
    case 's': return signal_number(field) > 0;
    case 'y': return strcmp(field, "yes") == 0 || strcmp(field, "no") == 0;
    case 'f': return strspn(field, "-+!:|") == strlen(field);
    case 'e': return is_one_of(field, row->words);
    default: return true;
    }
}

/* Return what is wrong with a line, or NULL. */
static const char *check(const struct line *line) {
    const struct row *row = NULL;
    for (size_t at = 0; at < sizeof table / sizeof *table; at++)
        if (strcmp(table[at].key, line->key) == 0)
            row = &table[at];
    if (row == NULL)
        return "unknown key";
    const char *kind = row->kinds;
    for (size_t at = 0; at < line->count; at++) {
        if (*kind == '\0')
            return "too many fields";
        if (*kind == '*' || *kind == '+')
            kind--;
        if (!fits(*kind, line->fields[at], row))
            return "invalid value";
        kind++;
    }
    return *kind == '\0' || *kind == '*' || *kind == '+' || kind[1] == '*' ? NULL : "too few fields";
}

/* Undo the escapes of a field in place. Return false for an unknown escape or a NUL byte. */
static bool unescape(char *field, size_t length) {
    char *to = field;
    for (size_t at = 0; at < length; at++) {
        char byte = field[at];
        if (byte == '\0')
            return false;
        if (byte == '\\') {
            if (++at == length)
                return false;
            switch (field[at]) {
            case '\\': byte = '\\'; break;
            case 't': byte = '\t'; break;
            case 'n': byte = '\n'; break;
            default: return false;
            }
        }
        *to++ = byte;
    }
    *to = '\0';
    return true;
}

/* Parse the bytes of a plan, which it keeps and changes; text[length] is NUL. Return an error text or NULL.
 */
char *plan_parse(struct plan *plan, char *text, size_t length) {
    char *at = text, *end = text + length;
    size_t number = 0;
    memset(plan, 0, sizeof *plan);
    while (at < end) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        number++;
        if (stop == NULL)
            return format("line %zu: the line has no end", number);
        struct words fields = {0};
        for (char *field = at; field <= stop;) {
            char *tab = memchr(field, '\t', (size_t)(stop - field));
            char *last = tab != NULL ? tab : stop;
            *last = '\0';
            if (!unescape(field, (size_t)(last - field)))
                return format("line %zu: invalid escape", number);
            add_word(&fields, field);
            field = last + 1;
        }
        struct line line = {fields.at[0], fields.at + 1, fields.count - 1, number};
        const char *problem = check(&line);
        if (problem != NULL)
            return format("line %zu: %s: %s", number, problem, line.key);
        plan->lines = must(realloc(plan->lines, (plan->count + 1) * sizeof line));
        plan->lines[plan->count++] = line;
        at = stop + 1;
    }
    if (!plan_has(plan, "name"))
        return copy("the plan has no name");
    return NULL;
}

/* Read and parse the plan at `path`. Return an error text or NULL. */
char *plan_read(struct plan *plan, const char *path) {
    size_t length;
    char *text = read_file(path, MOST_BYTES, &length);
    if (text == NULL)
        return copy(strerror(errno));
    return plan_parse(plan, text, length);
}

/* Return the line of `key` after `after`; the first if that is NULL; NULL if there is none. */
const struct line *plan_next(const struct plan *plan, const char *key, const struct line *after) {
    for (const struct line *at = after != NULL ? after + 1 : plan->lines; at < plan->lines + plan->count;
         at++)
        if (strcmp(at->key, key) == 0)
            return at;
    return NULL;
}

const struct line *plan_last(const struct plan *plan, const char *key) {
    const struct line *last = NULL;
    for (const struct line *at = NULL; (at = plan_next(plan, key, at)) != NULL;)
        last = at;
    return last;
}

const char *plan_text(const struct plan *plan, const char *key, const char *otherwise) {
    const struct line *line = plan_last(plan, key);
    return line != NULL && line->count > 0 ? line->fields[0] : otherwise;
}

bool plan_is(const struct plan *plan, const char *key, const char *value) {
    return strcmp(plan_text(plan, key, ""), value) == 0;
}

bool plan_yes(const struct plan *plan, const char *key) { return plan_is(plan, key, "yes"); }

bool plan_has(const struct plan *plan, const char *key) { return plan_next(plan, key, NULL) != NULL; }

long plan_integer(const struct plan *plan, const char *key, long otherwise) {
    long number = otherwise;
    return parse_integer(plan_text(plan, key, ""), INT32_MIN, INT32_MAX, &number) ? number : otherwise;
}

/* Return the time of the last line `key`; with `which`, of the last whose first field that is. */
uint64_t plan_time(const struct plan *plan, const char *key, const char *which, uint64_t otherwise) {
    uint64_t time = otherwise;
    for (const struct line *at = NULL; (at = plan_next(plan, key, at)) != NULL;) {
        if (which == NULL)
            parse_time(at->fields[0], &time);
        else if (strcmp(at->fields[0], which) == 0)
            parse_time(at->fields[1], &time);
    }
    return time;
}

int plan_signal(const struct plan *plan, const char *key, int otherwise) {
    const char *text = plan_text(plan, key, NULL);
    return text != NULL ? signal_number(text) : otherwise;
}
