// A block device as a guest sees it, without a file system.
#define _GNU_SOURCE // O_DIRECT
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "disk-load.h"

enum { SECTOR = 512, MOST = 1 << 20, REQUESTS = 12 };

struct part {
    int file, cpu;
    off_t begin, size;
    uint64_t seed;
    pthread_t thread;
};

// Every other one is small, so that there are all sizes up to the largest, and ends within pages.
static size_t request_size(uint64_t *state, off_t left)
{
    size_t most = below(state, 2) ? MOST : 4 * BLOCK;
    size_t size = SECTOR * (1 + below(state, most / SECTOR));

    return left < (off_t)size ? (size_t)left : size;
}

static void transfer(struct part *part, int write, char *bytes)
{
    uint64_t state = part->seed;
    off_t place = part->begin, end = part->begin + part->size;

    for (int i = 0; i < REQUESTS && place < end; i++) {
        size_t size = request_size(&state, end - place);
        uint64_t number = part->seed + i;
        if (write)
            fill(bytes, size, number);
        ssize_t done = write ? pwrite(part->file, bytes, size, place) : pread(part->file, bytes, size, place);
        if (done != (ssize_t)size)
            fail("%s of %zu bytes at %lld: %zd", write ? "write" : "read", size, (long long)place, done);
        if (!write && !is_filled(bytes, size, number))
            fail("other bytes in %zu at %lld", size, (long long)place);
        place += size;
    }
}

static void *use_part(void *argument)
{
    struct part *part = argument;
    char *bytes = buffer(MOST);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(part->cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set))
        fail("CPU %d", part->cpu);
    transfer(part, 1, bytes);
    transfer(part, 0, bytes);
    free(bytes);
    return NULL;
}

void use_queues(const char *device, uint64_t seed)
{
    int file = must_open(device, O_RDWR | O_DIRECT);
    int cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct part parts[PROCESSES];
    off_t size = lseek(file, 0, SEEK_END);

    if (cpus > PROCESSES)
        cpus = PROCESSES;
    for (int i = 0; i < cpus; i++) {
        off_t share = size / cpus / BLOCK * BLOCK;
        parts[i] = (struct part){ .file = file, .cpu = i, .begin = i * share, .size = share, .seed = seed * PROCESSES + i + 1 };
        parts[i].seed *= REQUESTS;
        if (pthread_create(&parts[i].thread, NULL, use_part, &parts[i]))
            fail("no thread");
    }
    for (int i = 0; i < cpus; i++)
        pthread_join(parts[i].thread, NULL);
    if (fsync(file))
        fail("fsync");
    printf("disk-load: ok %d CPUs\n", cpus);
}

// Until the device has gone.
static void use_busily(const char *device, uint64_t *state)
{
    int file = open(device, O_RDWR | O_DIRECT);
    off_t blocks = file < 0 ? 0 : lseek(file, 0, SEEK_END) / BLOCK;
    char *bytes = buffer(MOST);

    while (blocks) {
        size_t size = BLOCK * (1 + below(state, MOST / BLOCK / 4));
        off_t place = BLOCK * below(state, blocks);
        if ((below(state, 2) ? pwrite(file, bytes, size, place) : pread(file, bytes, size, place)) < 0)
            break;
    }
    if (file >= 0)
        close(file);
    free(bytes);
    usleep(20000);
}

void keep_busy(const char *device, int processes)
{
    uint64_t state = 1;

    while (processes-- > 1 && fork())
        state++;
    while (1)
        use_busily(device, &state);
}

void write_zeroes(const char *device, uint64_t offset, uint64_t size)
{
    uint64_t range[] = { offset, size };

    if (ioctl(must_open(device, O_RDWR), BLKZEROOUT, range))
        fail("BLKZEROOUT");
    printf("disk-load: ok zeroes\n");
}

void see_cdrom(const char *device)
{
    if (ioctl(must_open(device, O_RDONLY), CDROM_GET_CAPABILITY, 0) < 0)
        fail("CDROM_GET_CAPABILITY");
    printf("disk-load: ok a CD-ROM drive\n");
}

