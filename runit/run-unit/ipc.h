/* The IPC objects of an account. */
#ifndef IPC_H
#define IPC_H
#include <sys/types.h>

void remove_ipc(uid_t uid);
#endif
