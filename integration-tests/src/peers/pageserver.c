/*
 * A page server in C: pageserver SOCKET.
 *
 * It receives the address and the number of pages of a memory, and with them two descriptors: the userfaultfd of the
 * memory, and a connection to a source of pages. It speaks the frames of a post-copy (xen-emu-core/docs/saved-state.md),
 * asks for each page that a thread waits for, and checks what comes, as the service's page server does. It sends one
 * byte when the source has understood. It ends with the connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <nmmintrin.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE 4096L
#define MAGIC 0x53475058
#define RESYNC 1
#define MISSING 2
#define SYNCED 3
#define NEED 4
#define PAGES 5
#define MOST_WORDS 1024
#define MOST_BODY (64 * PAGE + 8)
#define BATCH 64

static int service;
static int faults;
static int source;
static uint64_t memory;
static long pages;
static uint8_t in[2 * (MOST_BODY + 16)];
static size_t have;

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static uint32_t crc(const uint8_t *bytes, size_t length)
{
    uint64_t sum = 0xffffffff;
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        sum = _mm_crc32_u64(sum, word);
    }
    for (; length > 0; bytes++, length--)
        sum = _mm_crc32_u8((uint32_t)sum, *bytes);
    return ~(uint32_t)sum;
}

static void send_frame(uint32_t type, const void *body, uint32_t length)
{
    static uint8_t frame[12 + 8 + MOST_WORDS * 8 + 4];
    uint32_t head[3] = {MAGIC, type, length};
    memcpy(frame, head, sizeof head);
    memcpy(frame + sizeof head, body, length);
    uint32_t sum = crc(frame, sizeof head + length);
    memcpy(frame + sizeof head + length, &sum, sizeof sum);
    size_t size = sizeof head + length + sizeof sum;
    need(send(source, frame, size, 0) == (ssize_t)size, "send");
}

static void begin(void)
{
    uint64_t nonce = 1;
    send_frame(RESYNC, &nonce, sizeof nonce);
    for (long first = 0; first < pages; first += MOST_WORDS * 64) {
        long end = first + MOST_WORDS * 64 < pages ? first + MOST_WORDS * 64 : pages;
        long words = (end - first + 63) / 64;
        static uint64_t body[1 + MOST_WORDS];
        uint32_t head[2] = {(uint32_t)first, end == pages};
        memcpy(body, head, sizeof head);
        for (long i = 0; i < words; i++) {
            long left = end - first - i * 64;
            body[1 + i] = left >= 64 ? ~0UL : (1UL << left) - 1;
        }
        send_frame(MISSING, body, (uint32_t)(8 + 8 * words));
    }
}

static void take(uint32_t type, const uint8_t *body, uint32_t length)
{
    if (type == SYNCED) {
        need(send(service, "", 1, 0) == 1, "send");
        return;
    }
    uint32_t head[2];
    need(type == PAGES && length >= sizeof head, "frame");
    memcpy(head, body, sizeof head);
    need(head[0] + (long)head[1] <= pages && length == sizeof head + head[1] * PAGE, "pages");
    static uint8_t aligned[MOST_BODY] __attribute__((aligned(4096)));
    memcpy(aligned, body + sizeof head, head[1] * PAGE);
    struct uffdio_copy copy = {
        .dst = memory + head[0] * PAGE,
        .src = (uint64_t)aligned,
        .len = head[1] * PAGE,
    };
    need(ioctl(faults, UFFDIO_COPY, &copy) == 0, "UFFDIO_COPY");
}

/* Returns 0 at the end. */
static int look_at_source(void)
{
    ssize_t count = recv(source, in + have, sizeof in - have, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return 1;
    if (count <= 0)
        return 0;
    have += (size_t)count;
    size_t at = 0;
    while (have - at >= 16) {
        uint32_t head[3];
        memcpy(head, in + at, sizeof head);
        need(head[0] == MAGIC && head[2] <= MOST_BODY, "magic");
        size_t size = sizeof head + head[2];
        if (have - at < size + 4)
            break;
        uint32_t sum;
        memcpy(&sum, in + at + size, 4);
        need(sum == crc(in + at, size), "checksum");
        take(head[1], in + at + sizeof head, head[2]);
        at += size + 4;
    }
    memmove(in, in + at, have - at);
    have -= at;
    return 1;
}

static void look_at_faults(void)
{
    struct uffd_msg messages[BATCH];
    ssize_t count = read(faults, messages, sizeof messages);
    need(count >= 0 || errno == EAGAIN, "read");
    for (ssize_t i = 0; i < count / (ssize_t)sizeof messages[0]; i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            uint32_t page = (uint32_t)((messages[i].arg.pagefault.address - memory) / PAGE);
            send_frame(NEED, &page, sizeof page);
        }
    }
}

static void receive_memory(void)
{
    uint64_t body[2];
    int descriptors[2];
    char control[CMSG_SPACE(sizeof descriptors)];
    struct iovec vector = {body, sizeof body};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    need(recvmsg(service, &message, 0) == sizeof body, "recvmsg");
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    need(head != NULL && head->cmsg_len == CMSG_LEN(sizeof descriptors), "descriptors");
    memcpy(descriptors, CMSG_DATA(head), sizeof descriptors);
    memory = body[0];
    pages = (long)body[1];
    faults = descriptors[0];
    source = descriptors[1];
}

int main(int count, char **words)
{
    need(count == 2, "one argument");
    service = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, words[1], sizeof to.sun_path - 1);
    need(connect(service, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    receive_memory();
    begin();
    struct pollfd both[2] = {{.fd = faults, .events = POLLIN}, {.fd = source, .events = POLLIN}};
    int open = 1;
    while (open) {
        need(poll(both, 2, -1) > 0, "poll");
        if (both[0].revents)
            look_at_faults();
        if (both[1].revents)
            open = look_at_source();
    }
    return 0;
}
