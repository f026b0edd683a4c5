/* The mounts of a mount namespace. */
#ifndef MOUNTS_H
#define MOUNTS_H
#include "text.h"

enum change {
    CHANGE_READ_ONLY, /* the tree at the path, read-only */
    CHANGE_WRITABLE,  /* the tree at the path, without changes */
    CHANGE_NO_EXEC,   /* programs in the tree do not run */
    CHANGE_EXEC,      /* they run again */
    CHANGE_HIDDEN,    /* an empty folder or file that nobody can open */
    CHANGE_BIND,      /* the tree at `source` */
    CHANGE_BIND_READ_ONLY,
    CHANGE_TMPFS,   /* an empty file system with the options in `source` */
    CHANGE_PROC,    /* a new /proc with the options in `source` */
    CHANGE_DEVICES, /* a /dev with the usual devices alone */
};

struct mounts {
    struct entry *entries;
    size_t count;
    const char *root; /* the tree whose paths these are; "" for / */
};

bool add_mount(struct mounts *mounts, enum change change, const char *path, const char *source, bool optional,
               bool recursive);
bool apply_mounts(struct mounts *mounts);
#endif
