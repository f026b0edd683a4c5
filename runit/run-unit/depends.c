/* The services that a unit depends on: their state, waiting for them, and following their stops.
 *
 * A unit's state is in /run/runit/NAME.unit/state. That of another service is in runsv's status file
 * /run/runit/NAME/status, and its readiness in the script `check`, as for `sv check`.
 */
#include "depends.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"

#define STATES "/run/runit"
#define SERVICES "/run/service"
#define MOST_WAIT (90 * SECOND) /* for a service without a time limit of its own */
#define STEP 100000ull

enum state { STATE_PENDING, STATE_UP, STATE_DONE, STATE_RESTARTING, STATE_DOWN, STATE_FAILED };

/* Runsv's view of a service: byte 17 is `u` or `d`, byte 19 is 1 while it runs (runsv.c of runit). */
static bool runsv_status(const char *service, bool *runs, bool *wanted) {
    size_t length = 0;
    char *path = format(STATES "/%s/status", service), *bytes = read_file(path, 64, &length);
    bool found = bytes != NULL && length >= 20;
    *runs = found && bytes[19] == 1;
    *wanted = found && bytes[17] == 'u';
    free(path);
    free(bytes);
    return found;
}

/* Write one letter to the pipe of a service's runsv. Return false if no runsv reads it. */
static bool control(const char *service, char letter) {
    char *path = format(STATES "/%s/control", service);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, &letter, 1) == 1;
    if (fd >= 0)
        close(fd);
    free(path);
    return done;
}

/* Ask runsv not to start this service again when it ends. */
void stay_down(const struct unit *unit) {
    if (!unit->once)
        control(unit->service, 'o');
}

/* Return the process of a unit that runs, by a file of its state; 0 if there is none. */
static pid_t state_process(const char *text) {
    const char *space = strchr(text, ' ');
    long pid = space != NULL ? strtol(space, NULL, 10) : 0;
    return pid > 0 && kill((pid_t)pid, 0) == 0 ? (pid_t)pid : 0;
}

/* Run the script `check` of a service that is no unit. It has 5 seconds. */
static bool passes_check(const char *service) {
    char *folder = format(SERVICES "/%s", service), *script = format("%s/check", folder);
    bool passes = true;
    if (access(script, X_OK) == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            sigset_t none;
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &none, NULL);
            int null = open("/dev/null", O_RDWR | O_CLOEXEC);
            for (int fd = 0; fd < 3; fd++)
                dup2(null, fd);
            alarm(5);
            if (chdir(folder) == 0)
                execl("./check", "./check", (char *)NULL);
            _exit(127);
        }
        int status = 1;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        passes = pid > 0 && status == 0;
    }
    free(script);
    free(folder);
    return passes;
}

static enum state state_of(const char *service) {
    static const struct {
        const char *text;
        enum state state;
    } words[] = {
        {"active ", STATE_UP},     {"reloading ", STATE_UP},          {"inactive ", STATE_DONE},
        {"skipped ", STATE_DONE},  {"failed ", STATE_FAILED},         {"stopped ", STATE_DOWN},
        {"stopping ", STATE_DOWN}, {"restarting ", STATE_RESTARTING},
    };
    bool runs, wanted, known = runsv_status(service, &runs, &wanted);
    char *path = format(STATES "/%s.unit/state", service), *text = read_file(path, 256, NULL);
    enum state state = STATE_PENDING;
    if (text != NULL) {
        for (size_t at = 0; at < sizeof words / sizeof *words; at++)
            if (starts_with(text, words[at].text))
                state = words[at].state;
        bool dead = state_process(text) == 0;
        if (dead && (state <= STATE_UP || state == STATE_RESTARTING))
            state = known && !wanted && !runs ? STATE_DOWN : STATE_PENDING;
        if (dead && state == STATE_DOWN && known && wanted)
            state = STATE_PENDING;
    } else if (known && runs) {
        state = passes_check(service) ? STATE_UP : STATE_PENDING;
    } else if (known && !wanted) {
        state = STATE_DOWN;
    }
    free(path);
    free(text);
    return state;
}

/* Return true if runsv will start the service again. */
static bool comes_back(const char *service) {
    bool runs, wanted;
    return runsv_status(service, &runs, &wanted) && wanted;
}

/* Return true while the unit of a service is in its start, which has a time limit. */
static bool starts_with_limit(const char *service) {
    char *path = format(STATES "/%s.unit/state", service), *text = read_file(path, 256, NULL);
    bool starts = text != NULL && state_process(text) != 0 && starts_with(text, "starting ");
    free(path);
    free(text);
    return starts;
}

static bool names(const struct plan *plan, const char *key, const char *service) {
    for (const struct line *line = NULL; (line = plan_next(plan, key, line)) != NULL;)
        for (size_t at = 0; at < line->count; at++)
            if (strcmp(line->fields[at], service) == 0)
                return true;
    return false;
}

/* Start services that are down and that this unit wants, and stop those it conflicts with. */
static void pull(const struct unit *unit, const char *key, char letter) {
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, key, line)) != NULL;)
        for (size_t at = 0; at < line->count; at++) {
            bool runs, wanted;
            if (!runsv_status(line->fields[at], &runs, &wanted))
                continue;
            if (letter == 'd' ? runs || wanted : !wanted && state_of(line->fields[at]) == STATE_DOWN)
                control(line->fields[at], letter);
        }
}

/* Return the first service of `key` for which the unit still waits, or that failed; NULL if all are settled.
 * One that restarts has failed once: that settles it, unless the unit needs it.
 */
static const char *unsettled(const struct unit *unit, const char *key, bool *failed) {
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, key, line)) != NULL;)
        for (size_t at = 0; at < line->count; at++) {
            const char *service = line->fields[at];
            bool needed = names(&unit->plan, "requires", service) || names(&unit->plan, "bindsto", service);
            enum state state = state_of(service);
            if (state == STATE_DOWN && needed && comes_back(service))
                state = STATE_PENDING; /* it is being restarted */
            *failed = needed && (state == STATE_FAILED || state == STATE_DOWN);
            if (*failed || state == STATE_PENDING || (state == STATE_RESTARTING && needed))
                return service;
        }
    return NULL;
}

/* Wait until the services after which this unit starts are ready. */
enum wait wait_for_services(struct unit *unit) {
    uint64_t began = now();
    const char *waits = NULL, *restarts = NULL;
    if (unit->stop)
        return WAIT_STOPPED;
    pull(unit, "conflicts", 'd');
    pull(unit, "requires", 'u');
    pull(unit, "bindsto", 'u');
    pull(unit, "wants", 'u');
    for (;;) {
        bool failed = false;
        const char *service = unsettled(unit, "after", &failed);
        if (service == NULL)
            return WAIT_DONE;
        if (failed && now() - began >= SECOND) {
            say("not started: the service %s, which it requires, is not running", service);
            return WAIT_FAILED;
        }
        /* Its first start has a limit of its own. From its first restart on, the limit is this one. */
        if (state_of(service) == STATE_RESTARTING)
            restarts = service;
        if (service != restarts && starts_with_limit(service))
            began = now();
        if (now() - began >= MOST_WAIT) {
            say("the service %s is not ready after %d s; starting without it", service,
                (int)(MOST_WAIT / SECOND));
            return WAIT_DONE;
        }
        if (service != waits)
            set_state(unit, "waiting");
        waits = service;
        unit->waits = true;
        wait_event(unit, now() + STEP);
        unit->waits = false;
        if (unit->stop)
            return WAIT_STOPPED;
    }
}

static int reload_watches[64];
static size_t reload_count;

/* Watch the reloads of the services whose reload is also this unit's. */
static void watch_reloads(struct unit *unit) {
    reload_count = 0;
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, "reloadfrom", line)) != NULL;)
        for (size_t at = 0; at < line->count && reload_count < 64; at++) {
            char *folder = format(STATES "/%s.unit", line->fields[at]);
            mkdir(folder, 0755);
            reload_watches[reload_count++] =
                inotify_add_watch(unit->inotify, folder, IN_MOVED_TO | IN_CLOSE_WRITE);
            free(folder);
        }
}

/* Watch the states of the services whose stop is also this unit's. */
void watch_services(struct unit *unit) {
    static const char *const keys[] = {"requires", "bindsto", "partof", "conflicts", "stopfrom"};
    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++)
        for (const struct line *line = NULL; (line = plan_next(&unit->plan, keys[key], line)) != NULL;)
            for (size_t at = 0; at < line->count; at++) {
                char *folder = format(STATES "/%s.unit", line->fields[at]);
                if (access(folder, F_OK) != 0)
                    folder[strlen(folder) - 5] = '\0';
                inotify_add_watch(unit->inotify, folder, IN_MOVED_TO | IN_CLOSE_WRITE);
                free(folder);
            }
    watch_reloads(unit);
}

static bool is_reload(const struct inotify_event *event) {
    for (size_t at = 0; at < reload_count; at++)
        if (reload_watches[at] == event->wd && event->len > 0 && strcmp(event->name, "reload") == 0)
            return true;
    return false;
}

/* After a change of a watched service: note if this unit must stop. */
void take_changes(struct unit *unit) {
    static const char *const keys[] = {"requires", "bindsto", "partof", "conflicts", "stopfrom"};
    union {
        char bytes[4096];
        struct inotify_event align;
    } events;
    for (ssize_t length; (length = read(unit->inotify, events.bytes, sizeof events)) > 0;)
        for (ssize_t at = 0; at < length;) {
            const struct inotify_event *event = (const void *)(events.bytes + at);
            unit->reload |= is_reload(event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    if (unit->waits)
        return; /* it does not run: it can only wait on */
    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++)
        for (const struct line *line = NULL; (line = plan_next(&unit->plan, keys[key], line)) != NULL;)
            for (size_t at = 0; at < line->count; at++) {
                enum state state = state_of(line->fields[at]);
                bool stop = state == STATE_DOWN;
                if (key == 1)
                    stop = state >= STATE_DONE;
                if (key == 3)
                    stop = state == STATE_UP;
                if (stop && !unit->depends_stop)
                    say("stopping with the service %s", line->fields[at]);
                unit->depends_stop |= stop;
            }
}

/* Return true if a service whose stop stopped this unit will not start again by itself. */
bool needed_services_stay_down(const struct unit *unit) {
    static const char *const keys[] = {"requires", "bindsto", "partof", "stopfrom"};
    bool runs, wanted;
    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++)
        for (const struct line *line = NULL; (line = plan_next(&unit->plan, keys[key], line)) != NULL;)
            for (size_t at = 0; at < line->count; at++)
                if (runsv_status(line->fields[at], &runs, &wanted) && !wanted)
                    return true;
    for (const struct line *line = NULL; (line = plan_next(&unit->plan, "conflicts", line)) != NULL;)
        for (size_t at = 0; at < line->count; at++)
            if (state_of(line->fields[at]) == STATE_UP)
                return true;
    return false;
}

/* Return true while another unit starts, for which a unit of type idle waits. */
bool others_start(const struct unit *unit) {
    DIR *entries = opendir(STATES);
    bool found = false;
    if (entries == NULL)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(entries)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length < 6 || strcmp(entry->d_name + length - 5, ".unit") != 0)
            continue;
        char *path = format(STATES "/%s/state", entry->d_name), *text = read_file(path, 256, NULL);
        found = text != NULL && starts_with(text, "starting ") && state_process(text) != 0 &&
                state_process(text) != getpid();
        free(path);
        free(text);
    }
    closedir(entries);
    return found && !unit->stop;
}

/* Return the exit status of `run-unit --ready NAME`: 0 if the unit is ready. */
int is_ready(const char *service) {
    char *text = read_file(format(STATES "/%s.unit/ready", service), 256, NULL);
    return text != NULL && state_process(text) != 0 ? 0 : 1;
}
