// A disk under a file system and without one, and what has to be left of it after a crash.
//   disk-load queues DEVICE SEED       a thread on each CPU writes its part of a block device past the page cache, in requests of
//                                      all sizes, and reads it again
//   disk-load busy DEVICE PROCESSES    reads and writes a device that goes and comes, until it is killed
//   disk-load zero DEVICE OFFSET SIZE  writes zeroes (BLKZEROOUT)
//   disk-load cdrom DEVICE             whether it is a CD-ROM drive
//   disk-load files FOLDER FIRST PROCESSES SEED   processes, numbered from FIRST, replace, append and overwrite files until they are
//                                      killed, and sync each change
//   disk-load check FOLDER FIRST PROCESSES   reads the output of `files`, and looks whether the folder has all that it tells of
// `files` prints `synced KIND PROCESS NUMBER VERSION` when a change is on the disk. The others print `disk-load: ok ...` in the end.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "disk-load.h"

void fail(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    printf("disk-load: failed: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf(" (%s)\n", strerror(error));
    fflush(stdout);
    exit(1);
}

uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

uint64_t below(uint64_t *state, uint64_t bound)
{
    return (next(state) >> 11) % bound;
}

void *buffer(size_t size)
{
    void *memory = NULL;

    if (posix_memalign(&memory, BLOCK, size))
        fail("no memory");
    return memory;
}

void fill(void *bytes, size_t size, uint64_t number)
{
    uint64_t state = number * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;

    for (size_t i = 0; i < size / sizeof state; i++)
        ((uint64_t *)bytes)[i] = next(&state);
}

int is_filled(const void *bytes, size_t size, uint64_t number)
{
    uint64_t state = number * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;

    for (size_t i = 0; i < size / sizeof state; i++)
        if (((const uint64_t *)bytes)[i] != next(&state))
            return 0;
    return 1;
}

int must_open(const char *path, int flags)
{
    int file = open(path, flags);

    if (file < 0)
        fail("%s", path);
    return file;
}

int main(int count, char **words)
{
    const char *what = count > 2 ? words[1] : "";

    if (!strcmp(what, "queues") && count == 4)
        use_queues(words[2], strtoull(words[3], NULL, 10));
    else if (!strcmp(what, "busy") && count == 4)
        keep_busy(words[2], atoi(words[3]));
    else if (!strcmp(what, "zero") && count == 5)
        write_zeroes(words[2], strtoull(words[3], NULL, 10), strtoull(words[4], NULL, 10));
    else if (!strcmp(what, "cdrom") && count == 3)
        see_cdrom(words[2]);
    else if (!strcmp(what, "files") && count == 6)
        use_files(words[2], atoi(words[3]), atoi(words[4]), strtoull(words[5], NULL, 10));
    else if (!strcmp(what, "check") && count == 5)
        check_files(words[2], atoi(words[3]), atoi(words[4]));
    else
        return 2;
    return 0;
}
