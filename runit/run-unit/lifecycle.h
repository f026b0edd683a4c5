/* The life of a unit: start, run, stop. */
#ifndef LIFECYCLE_H
#define LIFECYCLE_H
#include "unit.h"

bool start_unit(struct unit *unit);
bool run_until_end(struct unit *unit);
void stop_unit(struct unit *unit, bool clean);
enum result run_control(struct unit *unit, const struct line *command, int step, uint64_t timeout,
                        bool stoppable);
void fail(struct unit *unit, enum result result);
uint64_t after(uint64_t timeout);
uint64_t start_timeout(const struct unit *unit);
bool take_pid_file(struct unit *unit);
bool has_processes(void);
enum result result_of(const struct unit *unit, int status, bool command);
bool matches_status(const struct plan *plan, const char *key, int status);
void describe(const char *what, int status);
#endif
