/*
 * save-check: work that notices whether it was saved and restored. It goes on until a line comes on standard input:
 *
 *   - a thread on each CPU reads the monotonic clock, which never goes back from one CPU to another;
 *   - a thread sends IPIs to all CPUs (membarrier), and one sleeps for 10 ms at a time;
 *   - a thread counts in each page of a buffer, and sees that no page forgets its number;
 *   - a thread writes a node of XenStore in transactions, reads it back, and waits for the event of its watch;
 *   - for each disk=FOLDER, a thread writes a file of blocks there and syncs each, and reads others from the disk;
 *   - with tcp=ADDRESS:PORT, a thread sends numbers to a server there, which sends them back;
 *   - "seq 1.", "seq 2." and so on come on standard output, and "com 1." and so on on ttyS0, if there is one.
 *
 * Then it prints the counts, a check for each, and "save-check: last N".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { READ = 2, WATCH = 4, TRANSACTION_START = 6, TRANSACTION_END = 7, WRITE = 11, WATCH_EVENT = 15, ERROR = 16 };

#define PAGES 4096
#define PAGE 4096
#define CPUS_MAX 8
#define DISKS_MAX 2
/* Far more than an emulated machine needs for anything, and less than a guest was away. */
#define PATIENCE_NS 60000000000LL

static atomic_int stop;
static atomic_llong latest;
static atomic_long clock_reads, backwards, ipis, ipi_errors, naps, page_rounds, page_errors, commits, store_errors, events;
static atomic_long syncs, disk_errors, numbers, stream_errors;
static atomic_llong longest_nap;

static long long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void nap(long milliseconds)
{
    struct timespec t = { 0, milliseconds * 1000000L };

    nanosleep(&t, NULL);
}

static void *clocks(void *cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((intptr_t)cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        die("sched_setaffinity");
    while (!stop) {
        for (int i = 0; i < 100; i++) {
            long long before = latest;
            long long t = now();

            if (t < before)
                backwards++;
            while (t > before && !atomic_compare_exchange_weak(&latest, &before, t))
                ;
            clock_reads++;
        }
        nap(2);
    }
    return NULL;
}

static void *interrupts(void *none)
{
    (void)none;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0)
        die("membarrier");
    while (!stop) {
        if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
            ipi_errors++;
        ipis++;
        nap(1);
    }
    return NULL;
}

static void *sleeper(void *none)
{
    (void)none;
    while (!stop) {
        long long begun = now();

        nap(10);
        long long took = now() - begun;
        if (took > longest_nap)
            longest_nap = took;
        naps++;
    }
    return NULL;
}

static void *memory(void *none)
{
    uint64_t *pages = aligned_alloc(PAGE, (size_t)PAGES * PAGE);
    uint64_t round = 0;

    (void)none;
    if (pages == NULL)
        die("memory");
    memset(pages, 0, (size_t)PAGES * PAGE);
    while (!stop) {
        for (int i = 0; i < PAGES; i++) {
            volatile uint64_t *page = pages + (size_t)i * (PAGE / sizeof *pages);

            if (page[0] != round || page[PAGE / sizeof *pages - 1] != round * 3)
                page_errors++;
            page[0] = round + 1;
            page[PAGE / sizeof *pages - 1] = (round + 1) * 3;
        }
        round++;
        page_rounds++;
        nap(20);
    }
    return NULL;
}

struct header { uint32_t type, req_id, tx_id, len; };

static int store;

static void exactly(void *to, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = read(store, (char *)to + done, length - done);

        if (count <= 0)
            die("read from XenStore");
        done += (size_t)count;
    }
}

/* The payload of the reply is in `reply`. Events that come before it are counted. */
static uint32_t ask(uint32_t type, uint32_t tx, const char *payload, size_t length, char *reply)
{
    static uint32_t requests;
    struct header header = { type, ++requests, tx, (uint32_t)length };
    char message[256];

    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, payload, length);
    if (write(store, message, sizeof header + length) != (ssize_t)(sizeof header + length))
        die("write to XenStore");
    for (;;) {
        exactly(&header, sizeof header);
        if (header.len >= 200)
            die("a long answer of XenStore");
        exactly(reply, header.len);
        reply[header.len] = 0;
        if (header.type != WATCH_EVENT)
            break;
        events++;
    }
    if (header.req_id != requests || (header.type != type && header.type != ERROR))
        store_errors++;
    return header.type;
}

static void *xenstore(void *none)
{
    static const char watch[] = "data/save-check\0token";
    static const char node[] = "data/save-check";
    char reply[256], written[64];
    long wanted = 1;

    (void)none;
    store = open("/dev/xen/xenbus", O_RDWR);
    if (store < 0)
        die("/dev/xen/xenbus");
    if (ask(WATCH, 0, watch, sizeof watch, reply) == ERROR)
        store_errors++;
    for (unsigned long n = 1; !stop; n++) {
        uint32_t tx;
        int length;

        if (ask(TRANSACTION_START, 0, "", 1, reply) == ERROR)
            store_errors++;
        tx = (uint32_t)strtoul(reply, NULL, 10);
        length = snprintf(written, sizeof written, "%s%c%lu", node, 0, n);
        if (ask(WRITE, tx, written, (size_t)length, reply) == ERROR)
            store_errors++;
        nap(5);
        if (ask(TRANSACTION_END, tx, "T", 2, reply) == ERROR) {
            if (strcmp(reply, "EAGAIN") != 0)
                store_errors++;
            n--;
            continue;
        }
        commits++;
        wanted++;
        if (ask(READ, 0, node, sizeof node, reply) == ERROR || strtoul(reply, NULL, 10) != n)
            store_errors++;
        /* The events of the watch come in their time, one for each write, and one for the watch itself. */
        for (int i = 0; events < wanted && i < 10000; i++) {
            if (ask(READ, 0, node, sizeof node, reply) == ERROR)
                store_errors++;
            nap(5);
        }
        if (events != wanted)
            store_errors++;
    }
    return NULL;
}

#define BLOCKS 64
#define BLOCK 16384

static uint64_t word_of(uint64_t block, uint64_t version, uint64_t i)
{
    return (version * BLOCKS + block) * 0x9e3779b97f4a7c15ULL + i;
}

static void *disk(void *folder)
{
    uint64_t versions[BLOCKS] = { 0 };
    uint64_t *words = aligned_alloc(4096, BLOCK);
    char name[256];
    int file, direct;

    snprintf(name, sizeof name, "%s/blocks", (const char *)folder);
    file = open(name, O_RDWR | O_CREAT, 0600);
    direct = open(name, O_RDONLY | O_DIRECT);
    if (words == NULL || file < 0 || direct < 0)
        die(name);
    for (uint64_t n = 1; !stop; n++) {
        uint64_t block = n % BLOCKS, other = n * 7 % BLOCKS;

        for (uint64_t i = 0; i < BLOCK / sizeof *words; i++)
            words[i] = word_of(block, n, i);
        if (pwrite(file, words, BLOCK, (off_t)(block * BLOCK)) != BLOCK || fsync(file) != 0)
            disk_errors++;
        versions[block] = n;
        syncs++;
        if (versions[other] != 0 && pread(direct, words, BLOCK, (off_t)(other * BLOCK)) != BLOCK)
            disk_errors++;
        for (uint64_t i = 0; versions[other] != 0 && i < BLOCK / sizeof *words; i++)
            if (words[i] != word_of(other, versions[other], i))
                disk_errors++;
        nap(10);
    }
    return NULL;
}

#define NUMBERS 64
#define AHEAD 8

static void *stream(void *server)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    char *port = strchr(server, ':');
    uint64_t sent = 0, got = 0, chunk[NUMBERS];
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (port == NULL)
        die("tcp");
    *port = 0;
    to.sin_port = htons((uint16_t)atoi(port + 1));
    if (inet_pton(AF_INET, server, &to.sin_addr) != 1 || connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    while (!stop) {
        while (sent - got < AHEAD * NUMBERS) {
            for (int i = 0; i < NUMBERS; i++)
                chunk[i] = sent++;
            if (send(s, chunk, sizeof chunk, MSG_NOSIGNAL) != sizeof chunk)
                die("send");
        }
        if (recv(s, chunk, sizeof chunk, MSG_WAITALL) != sizeof chunk)
            die("recv");
        for (int i = 0; i < NUMBERS; i++)
            if (chunk[i] != got++)
                stream_errors++;
        numbers += NUMBERS;
        nap(5);
    }
    close(s);
    return NULL;
}

static void begin(void *(*work)(void *), void *argument, pthread_t *thread)
{
    if (pthread_create(thread, NULL, work, argument) != 0)
        die("pthread_create");
}

int main(int words, char **word)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[CPUS_MAX + DISKS_MAX + 5];
    int disks = 0, has_stream = 0;
    int count = 0, com = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
    struct pollfd input = { 0, POLLIN, 0 };
    long last = 0;
    struct termios raw;

    if (com >= 0 && tcgetattr(com, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(com, TCSANOW, &raw);
    }
    for (long i = 0; i < cpus && i < CPUS_MAX; i++)
        begin(clocks, (void *)(intptr_t)i, &threads[count++]);
    begin(interrupts, NULL, &threads[count++]);
    begin(sleeper, NULL, &threads[count++]);
    begin(memory, NULL, &threads[count++]);
    begin(xenstore, NULL, &threads[count++]);
    for (int i = 1; i < words; i++) {
        if (disks < DISKS_MAX && strncmp(word[i], "disk=", 5) == 0) {
            disks++;
            begin(disk, word[i] + 5, &threads[count++]);
        } else if (!has_stream && strncmp(word[i], "tcp=", 4) == 0) {
            has_stream = 1;
            begin(stream, word[i] + 4, &threads[count++]);
        } else {
            die(word[i]);
        }
    }
    while (poll(&input, 1, 30) == 0) {
        last++;
        printf("seq %ld.\n", last);
        fflush(stdout);
        if (com >= 0 && dprintf(com, "com %ld.\n", last) < 0)
            die("ttyS0");
    }
    stop = 1;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("\nclock %ld, ipi %ld, nap %ld, longest %lld ms, pages %ld, commits %ld, events %ld\n", clock_reads, ipis, naps,
           longest_nap / 1000000, page_rounds, commits, events);
    printf("syncs %ld, numbers %ld\n", syncs, numbers);
    check("clock-is-monotonic", backwards, 0);
    check("ipis", ipi_errors, 0);
    check("naps-are-short", longest_nap > PATIENCE_NS, 0);
    check("pages-keep", page_errors, 0);
    check("xenstore", store_errors, 0);
    check("disk", disk_errors, 0);
    check("stream", stream_errors, 0);
    check("all-worked", clock_reads > 0 && ipis > 0 && naps > 0 && page_rounds > 0 && commits > 0, 1);
    check("devices-worked", (syncs > 0 || disks == 0) && (numbers > 0 || !has_stream), 1);
    printf("save-check: last %ld\n", last);
    return check_summary();
}
