/* The private /dev of a command. */
#ifndef DEVICES_H
#define DEVICES_H
int make_devices(const char *path);
#endif
