/*
 * A process that shares a guest's memory: page_client SOCKET MEMORY PAGES.
 *
 * It maps the memory, registers it with a userfaultfd, and sends the address with two descriptors: the userfaultfd, and
 * one end of a pipe whose other end it keeps. Then each byte that it receives is an order: 'h' reads all pages with
 * several threads, and sends a hash of them; 'r' sends the descriptors again. io.xenemu.core.paging.PageClient does the
 * same in Java.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE 4096L
#define THREADS 3

static int connection;
static int faults;
static int life[2];
static long pages;
static volatile uint64_t *memory;
static uint64_t hash;
static int running;

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static uint64_t page_hash(long page)
{
    volatile uint64_t *words = memory + page * (PAGE / 8);
    uint64_t sum = 0;
    for (long i = 0; i < PAGE / 8; i++)
        sum += words[i] * (2 * i + 1);
    return sum * (2 * page + 1);
}

static void *read_pages(void *argument)
{
    long first = (long)argument;
    uint64_t sum = 0;
    for (long i = first; i < pages; i += THREADS)
        sum += page_hash((i * 7919 + getpid()) % pages);
    uint64_t all = __atomic_add_fetch(&hash, sum, __ATOMIC_SEQ_CST);
    if (__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST) == 0) {
        all = __atomic_load_n(&hash, __ATOMIC_SEQ_CST);
        need(send(connection, &all, sizeof all, 0) == sizeof all, "send");
    }
    return NULL;
}

static void read_all(void)
{
    hash = 0;
    running = THREADS;
    for (long i = 0; i < THREADS; i++) {
        pthread_t thread;
        need(pthread_create(&thread, NULL, read_pages, (void *)i) == 0, "pthread_create");
        pthread_detach(thread);
    }
}

static void send_descriptors(void)
{
    uint64_t address = (uint64_t)memory;
    int descriptors[2] = {faults, life[0]};
    char control[CMSG_SPACE(sizeof descriptors)] = {0};
    struct iovec vector = {&address, sizeof address};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof descriptors);
    memcpy(CMSG_DATA(head), descriptors, sizeof descriptors);
    need(sendmsg(connection, &message, 0) == sizeof address, "sendmsg");
}

int main(int count, char **words)
{
    need(count == 4, "three arguments");
    pages = atol(words[3]);
    int file = open(words[2], O_RDWR | O_CLOEXEC);
    need(file >= 0, "open");
    memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    need(memory != MAP_FAILED, "mmap");

    faults = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    need(faults >= 0, "userfaultfd");
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MISSING_SHMEM};
    need(ioctl(faults, UFFDIO_API, &api) == 0, "UFFDIO_API");
    struct uffdio_register range = {
        .range = {(uint64_t)memory, pages * PAGE},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    need(ioctl(faults, UFFDIO_REGISTER, &range) == 0, "UFFDIO_REGISTER");
    need(pipe2(life, O_CLOEXEC) == 0, "pipe2");

    connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, words[1], sizeof to.sun_path - 1);
    need(connect(connection, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    send_descriptors();
    char order;
    while (recv(connection, &order, 1, 0) == 1) {
        if (order == 'h')
            read_all();
        else
            send_descriptors();
    }
    return 0;
}
