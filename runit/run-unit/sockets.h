/* The sockets of a unit. */
#ifndef SOCKETS_H
#define SOCKETS_H
#include "plan.h"

#define FIRST_SOCKET 3
#define MOST_SOCKETS 64

struct sockets {
    int fds[MOST_SOCKETS];
    const char *names[MOST_SOCKETS];
    size_t count;
    size_t listening; /* of these, those of the sockets; files follow */
};

bool open_sockets(struct sockets *sockets, const struct plan *plan);
void close_sockets(struct sockets *sockets, const struct plan *plan);
#endif
