/* What the parts of disk-load share. */
#ifndef DISK_LOAD_H
#define DISK_LOAD_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCK = 4096, PROCESSES = 16 };

/* Says what is wrong, with errno, and ends the program. */
void fail(const char *format, ...);

/* A random number; its state is never 0. */
uint64_t next(uint64_t *state);

uint64_t below(uint64_t *state, uint64_t bound);

/* Memory that begins on a page. */
void *buffer(size_t size);

/* Whole words that depend on a number alone. */
void fill(void *bytes, size_t size, uint64_t number);

int is_filled(const void *bytes, size_t size, uint64_t number);

int must_open(const char *path, int flags);

/* The words of the program, of which disk-load.c tells. */
void use_queues(const char *device, uint64_t seed);
void keep_busy(const char *device, int processes);
void write_zeroes(const char *device, uint64_t offset, uint64_t size);
void see_cdrom(const char *device);
void use_files(const char *folder, int first, int processes, uint64_t seed);
void check_files(const char *folder, int first, int processes);

#endif
