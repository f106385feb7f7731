/*
 * grant-stream: numbers go from one guest to another by grant copies only, so that neither has a page of the other mapped.
 *
 *   grant-stream take DOMAIN          grants a page to DOMAIN, prints "ref N.", and takes what comes into it
 *   grant-stream send DOMAIN REF      copies messages into that page until a line comes on standard input
 *
 * The page has slots for messages, and the number of messages that were taken, which the sender copies from there. The sender
 * tries again what is refused. It prints "waits." and "goes on." when copies begin and cease to be refused, and "sent N." at
 * the end. The taker ends with the last message, and prints checks: all messages came, once, in order, and whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xen/gntalloc.h>

typedef uint32_t grant_ref_t;
typedef uint16_t domid_t;
#include <xen/gntdev.h>

#include "check.h"

#define PAGE 4096
#define WORDS 8
#define SLOTS 48
#define SLOT_BYTES (WORDS * sizeof(uint64_t))
#define TAKEN_AT (PAGE - sizeof(uint64_t))
#define LAST (1ull << 63)
/* Messages after which the sender leaves the CPU to others. */
#define SOME 16
/* Of Xen's grant_table.h, which is not for Linux programs. */
#define GNTCOPY_source_gref 1
#define GNTCOPY_dest_gref 2

static void nap(long milliseconds)
{
    struct timespec t = { 0, milliseconds * 1000000L };

    nanosleep(&t, NULL);
}

static uint64_t word_of(uint64_t number, int i)
{
    return i == 0 ? number : number * 0x9e3779b97f4a7c15ULL + (uint64_t)i;
}

/* A word of the page, which another domain changes. */
static uint64_t look(const volatile uint64_t *word)
{
    return *word;
}

static int is_whole(const volatile uint64_t *slot)
{
    uint64_t number = look(slot);

    for (int i = 1; i < WORDS; i++)
        if (look(slot + i) != word_of(number, i))
            return 0;
    return look(slot) == number;
}

static volatile uint64_t *granted_page(domid_t to)
{
    struct ioctl_gntalloc_alloc_gref grant = { .domid = to, .flags = GNTALLOC_FLAG_WRITABLE, .count = 1 };
    int device = open("/dev/xen/gntalloc", O_RDWR);
    void *page;

    if (device < 0 || ioctl(device, IOCTL_GNTALLOC_ALLOC_GREF, &grant) != 0)
        die("/dev/xen/gntalloc");
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)grant.index);
    if (page == MAP_FAILED)
        die("mmap");
    memset(page, 0, PAGE);
    printf("ref %u.\n", grant.gref_ids[0]);
    fflush(stdout);
    return page;
}

/* Each slot has what it had before, or the message that follows that by a round; never one before. */
static int take(domid_t from)
{
    volatile uint64_t *page = granted_page(from);
    uint64_t seen[SLOTS] = {0}, next = 1;
    long backwards = 0, wrong = 0;
    int ended = 0;

    while (!ended) {
        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            uint64_t number = look(page + slot * WORDS) & ~LAST;

            if (number < seen[slot])
                backwards++;
            seen[slot] = number;
        }
        const volatile uint64_t *slot = page + next % SLOTS * WORDS;
        uint64_t number = look(slot) & ~LAST;

        if (number > next || (number != next && number != 0 && number + SLOTS != next))
            wrong++;
        if (number != next || !is_whole(slot)) {
            nap(1);
            continue;
        }
        ended = (look(slot) & LAST) != 0;
        page[TAKEN_AT / sizeof *page] = next++;
    }
    check("nothing-comes-twice", backwards, 0);
    check("nothing-is-left-out", wrong, 0);
    check("some-came", next > SLOTS, 1);
    printf("taken %llu.\n", (unsigned long long)(next - 1));
    return check_summary();
}

static int device;

/* The status of the copy of one message, or of what was taken. */
static int copy(struct gntdev_grant_copy_segment *segment)
{
    struct ioctl_gntdev_grant_copy request = { .count = 1, .segments = segment };

    if (ioctl(device, IOCTL_GNTDEV_GRANT_COPY, &request) != 0)
        die("IOCTL_GNTDEV_GRANT_COPY");
    return segment->status;
}

static void try(struct gntdev_grant_copy_segment *segment)
{
    int refused = 0;

    while (copy(segment) != 0) {
        if (!refused) {
            refused = 1;
            printf("waits.\n");
            fflush(stdout);
        }
        nap(20);
    }
    if (refused) {
        printf("goes on.\n");
        fflush(stdout);
    }
}

static int sender(domid_t to, grant_ref_t ref)
{
    uint64_t message[WORDS], taken = 0;
    struct pollfd input = { 0, POLLIN, 0 };
    struct gntdev_grant_copy_segment back = {
        .source.foreign = { .ref = ref, .offset = TAKEN_AT, .domid = to },
        .dest.virt = &taken,
        .len = sizeof taken,
        .flags = GNTCOPY_source_gref,
    };
    int ends = 0;

    device = open("/dev/xen/gntdev", O_RDWR);
    if (device < 0)
        die("/dev/xen/gntdev");
    for (uint64_t number = 1; ; number++) {
        struct gntdev_grant_copy_segment there = {
            .source.virt = message,
            .dest.foreign = { .ref = ref, .offset = (uint16_t)(number % SLOTS * SLOT_BYTES), .domid = to },
            .len = sizeof message,
            .flags = GNTCOPY_dest_gref,
        };
        uint64_t named;

        for (try(&back); number - taken > SLOTS; try(&back))
            nap(1);
        ends = poll(&input, 1, 0) != 0;
        named = ends ? number | LAST : number;
        for (int i = 0; i < WORDS; i++)
            message[i] = word_of(named, i);
        try(&there);
        if (number % SOME == 0)
            nap(1);
        if (ends) {
            printf("sent %llu.\n", (unsigned long long)number);
            return 0;
        }
    }
}

int main(int words, char **word)
{
    if (words == 3 && strcmp(word[1], "take") == 0)
        return take((domid_t)atoi(word[2]));
    if (words == 4 && strcmp(word[1], "send") == 0)
        return sender((domid_t)atoi(word[2]), (grant_ref_t)atoi(word[3]));
    return 2;
}
