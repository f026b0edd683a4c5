/* The IPC objects of an account, removed when its unit has ended (RemoveIPC= of systemd.exec(5)).
 *
 * The files in /proc/sysvipc have a heading and one line for each object: key, id and more; the uid is in a
 * column that the heading names.
 */
#include "ipc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

/* Return the column called `name` in a heading, or -1. */
static int column_of(char *heading, const char *name) {
    char *rest = NULL;
    int column = 0;
    for (char *word = strtok_r(heading, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest), column++)
        if (strcmp(word, name) == 0)
            return column;
    return -1;
}

static void remove_objects(const char *kind, uid_t uid) {
    char *path = format("/proc/sysvipc/%s", kind), *text = read_file(path, 1 << 22, NULL), *rest = NULL;
    char *line = text != NULL ? strtok_r(text, "\n", &rest) : NULL;
    int owner = line != NULL ? column_of(line, "uid") : -1;
    while (owner > 1 && (line = strtok_r(NULL, "\n", &rest)) != NULL) {
        char *more = NULL, *word = strtok_r(line, " \t", &more);
        int id = -1;
        uint64_t found = UINT64_MAX;
        for (int at = 0; word != NULL && at <= owner; at++, word = strtok_r(NULL, " \t", &more)) {
            if (at == 1)
                id = atoi(word);
            if (at == owner)
                parse_number(word, UINT32_MAX, &found);
        }
        if (found != uid || id < 0)
            continue;
        if (*kind == 's' && kind[1] == 'h')
            shmctl(id, IPC_RMID, NULL);
        else if (*kind == 's')
            semctl(id, 0, IPC_RMID);
        else
            msgctl(id, IPC_RMID, NULL);
    }
    free(path);
    free(text);
}

static void remove_files(const char *folder, uid_t uid) {
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct stat found;
        if (fstatat(dirfd(entries), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_uid == uid &&
            !S_ISDIR(found.st_mode))
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    closedir(entries);
}

/* Remove shared memory, semaphores and message queues of the account, but none of root. */
void remove_ipc(uid_t uid) {
    if (uid == 0)
        return;
    remove_objects("shm", uid);
    remove_objects("sem", uid);
    remove_objects("msg", uid);
    remove_files("/dev/shm", uid);
    remove_files("/dev/mqueue", uid);
}
