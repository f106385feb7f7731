// A load on a guest's devices, one cell of a table after the other:
//   device-load disk DEVICE SECONDS WARMING CELL...     a block device, past the page cache, or a file
//   device-load net ADDRESS SECONDS WARMING CELL...     against `device-load serve` there
//   device-load files FOLDER SECONDS WARMING CELL...    a folder, such as one that is shared by 9p
//   device-load serve ADDRESS                           takes, sends or sends back what comes, until it is killed
// Each cell has its load for WARMING seconds, since what serves the device may be code that nothing has used before, and then prints `begin CELL`, and at its end `end CELL OPERATIONS SECONDS BYTES`: the bytes of one
// operation, or 0. A reader of these lines sees what else happened between them.
#define _GNU_SOURCE // O_DIRECT
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, PIECE = 1 << 20, SHARE_PIECE = 128 << 10, PORT = 5201, MAX_DEPTH = 32, SHARE_FILE = 16 << 20 };

// Small enough that what waits in it does not count for much where the network is slow.
static const int send_buffer = 128 << 10;

// Seconds of a cell's load before it.
static double warming;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    printf("failed %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

static void begin(const char *cell)
{
    printf("begin %s\n", cell);
    fflush(stdout);
}

static void end(const char *cell, uint64_t operations, double seconds, uint64_t bytes)
{
    printf("end %s %llu %.4f %llu\n", cell, (unsigned long long)operations, seconds, (unsigned long long)bytes);
    fflush(stdout);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

// Disks.

struct disk {
    int file;
    uint64_t size;
    uint64_t next; // of a sequence
    char *buffers;
};

static void prepare(struct iocb *request, struct disk *disk, int slot, int write, int sequential, uint64_t length)
{
    memset(request, 0, sizeof *request);
    request->aio_data = slot;
    request->aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    request->aio_fildes = disk->file;
    request->aio_buf = (uintptr_t)(disk->buffers + (size_t)slot * PIECE);
    request->aio_nbytes = length;
    uint64_t count = disk->size / length;
    request->aio_offset = (sequential ? disk->next++ % count : next_random() % count) * length;
}

// Keeps `depth` requests in flight for some time, and counts those that have ended.
static uint64_t in_flight(struct disk *disk, int write, int sequential, uint64_t length, int depth, double seconds)
{
    aio_context_t context = 0;
    struct iocb requests[MAX_DEPTH], *list[MAX_DEPTH];
    struct io_event events[MAX_DEPTH];
    if (syscall(SYS_io_setup, depth, &context))
        fail("io_setup");
    for (int i = 0; i < depth; i++) {
        prepare(&requests[i], disk, i, write, sequential, length);
        list[i] = &requests[i];
    }
    int ready = depth, flying = 0;
    uint64_t done = 0;
    for (double until = now() + seconds; ready || flying;) {
        while (ready) {
            int taken = syscall(SYS_io_submit, context, ready, list);
            if (taken < 1)
                fail("io_submit");
            flying += taken;
            memmove(list, list + taken, (ready - taken) * sizeof *list);
            ready -= taken;
        }
        int count = syscall(SYS_io_getevents, context, 1, depth, events, NULL);
        if (count < 1)
            fail("io_getevents");
        flying -= count;
        done += count;
        int over = now() >= until;
        for (int i = 0; i < count; i++) {
            if (events[i].res != (int64_t)length) {
                errno = events[i].res < 0 ? -events[i].res : EIO;
                fail("a request");
            }
            if (over)
                continue;
            int slot = events[i].data;
            prepare(&requests[slot], disk, slot, write, sequential, length);
            list[ready++] = &requests[slot];
        }
    }
    syscall(SYS_io_destroy, context);
    return done;
}

static void transfer(struct disk *disk, const char *cell, double seconds)
{
    char kind[32];
    int depth = 1;
    if (sscanf(cell, "%31[^-]-%d", kind, &depth) != 2 || depth > MAX_DEPTH || depth < 1)
        fail(cell);
    int sequential = !strncmp(kind, "seq", 3);
    int write = strstr(kind, "write") != NULL;
    uint64_t length = sequential ? PIECE : BLOCK;
    in_flight(disk, write, sequential, length, depth, warming);
    begin(cell);
    double start = now();
    uint64_t done = in_flight(disk, write, sequential, length, depth, seconds);
    end(cell, done, now() - start, length);
}

static uint64_t write_and_flush(struct disk *disk, double seconds)
{
    uint64_t done = 0;
    for (double until = now() + seconds; now() < until; done++)
        if (pwrite(disk->file, disk->buffers, BLOCK, next_random() % (disk->size / BLOCK) * BLOCK) != BLOCK || fsync(disk->file))
            fail("write and fsync");
    return done;
}

static void disks(const char *path, double seconds, char **cells)
{
    struct disk disk = {.file = open(path, O_RDWR | O_DIRECT)};
    if (disk.file < 0)
        fail(path);
    disk.size = lseek(disk.file, 0, SEEK_END);
    disk.buffers = mmap(NULL, (size_t)MAX_DEPTH * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (disk.buffers == MAP_FAILED)
        fail("mmap");
    for (; *cells; cells++) {
        if (strcmp(*cells, "write4k-fsync")) {
            transfer(&disk, *cells, seconds);
            continue;
        }
        write_and_flush(&disk, warming);
        begin(*cells);
        double start = now();
        uint64_t done = write_and_flush(&disk, seconds);
        end(*cells, done, now() - start, BLOCK);
    }
}

// The network.

static int connected(const char *address, char what)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        fail(address);
    int one = 1, peer = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(peer, (struct sockaddr *)&to, sizeof to) || write(peer, &what, 1) != 1)
        fail("connect");
    return peer;
}

// What the other side has received, and in which time.
struct received {
    uint64_t bytes;
    double seconds;
};

static void send_for(int peer, double seconds)
{
    static char data[64 << 10];
    for (double until = now() + seconds; now() < until;)
        if (write(peer, data, sizeof data) < 0)
            fail("send");
}

// Counts from the end of the first `warm` seconds on, to the end of the stream or for `seconds`.
static struct received receive(int peer, double warm, double seconds, const char *cell)
{
    static char data[256 << 10];
    struct received all = {0, 0};
    double first = 0, last = 0, start = now();
    for (;;) {
        ssize_t count = read(peer, data, sizeof data);
        if (count <= 0)
            break;
        last = now();
        if (!first) {
            if (last - start < warm)
                continue;
            first = last;
            if (cell)
                begin(cell);
            continue;
        }
        all.bytes += count;
        if (seconds && last - first >= seconds)
            break;
    }
    all.seconds = last - first;
    return all;
}

static void tcp_out(const char *address, const char *cell, double seconds)
{
    int peer = connected(address, 'o');
    send_for(peer, warming);
    close(peer);
    peer = connected(address, 'o');
    begin(cell);
    send_for(peer, seconds);
    shutdown(peer, SHUT_WR);
    struct received all;
    if (recv(peer, &all, sizeof all, MSG_WAITALL) != sizeof all)
        fail("the other side's count");
    end(cell, all.bytes >> 10, all.seconds, 1 << 10);
    close(peer);
}

static void tcp_in(const char *address, const char *cell, double seconds)
{
    int peer = connected(address, 'i');
    struct received all = receive(peer, warming, seconds, cell);
    end(cell, all.bytes >> 10, all.seconds, 1 << 10);
    close(peer);
}

static uint64_t round_trips(int peer, double seconds)
{
    uint64_t done = 0;
    char byte = 1;
    for (double until = now() + seconds; now() < until; done++)
        if (write(peer, &byte, 1) != 1 || read(peer, &byte, 1) != 1)
            fail("round trip");
    return done;
}

static void tcp_rr(const char *address, const char *cell, double seconds)
{
    int peer = connected(address, 'r');
    round_trips(peer, warming);
    begin(cell);
    double start = now();
    uint64_t done = round_trips(peer, seconds);
    end(cell, done, now() - start, 0);
    close(peer);
}

// The reply to an own echo request carries its IP header before it.
static uint64_t echoes(int peer, struct sockaddr_in *to, double seconds)
{
    static uint16_t sequence;
    uint64_t done = 0;
    for (double until = now() + seconds; now() < until; done++) {
        struct {
            struct icmphdr header;
            char data[56];
        } packet = {.header = {.type = ICMP_ECHO}};
        packet.header.un.echo.id = htons(7);
        packet.header.un.echo.sequence = htons(++sequence);
        uint32_t sum = 0;
        for (size_t i = 0; i < sizeof packet / 2; i++)
            sum += ((uint16_t *)&packet)[i];
        sum = (sum >> 16) + (sum & 0xffff);
        packet.header.checksum = ~(sum + (sum >> 16));
        if (sendto(peer, &packet, sizeof packet, 0, (struct sockaddr *)to, sizeof *to) < 0)
            fail("ping");
        for (;;) {
            char reply[256];
            ssize_t count = recv(peer, reply, sizeof reply, 0);
            if (count < 0)
                fail("ping's reply");
            struct icmphdr *header = (struct icmphdr *)(reply + (reply[0] & 15) * 4);
            if (header->type == ICMP_ECHOREPLY && header->un.echo.sequence == htons(sequence))
                break;
        }
    }
    return done;
}

static void ping(const char *address, const char *cell, double seconds)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval limit = {.tv_sec = 10};
    inet_pton(AF_INET, address, &to.sin_addr);
    int peer = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (peer < 0 || setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit))
        fail("ping");
    echoes(peer, &to, warming);
    begin(cell);
    double start = now();
    uint64_t done = echoes(peer, &to, seconds);
    end(cell, done, now() - start, 0);
    close(peer);
}

static void networks(const char *address, double seconds, char **cells)
{
    for (; *cells; cells++)
        if (!strcmp(*cells, "tcp-out"))
            tcp_out(address, *cells, seconds);
        else if (!strcmp(*cells, "tcp-in"))
            tcp_in(address, *cells, seconds);
        else if (!strcmp(*cells, "tcp-rr"))
            tcp_rr(address, *cells, seconds);
        else if (!strcmp(*cells, "ping"))
            ping(address, *cells, seconds);
        else
            fail(*cells);
}

static void *serve_one(void *argument)
{
    int one = 1, peer = (int)(intptr_t)argument;
    char what = 0, byte;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (read(peer, &what, 1) == 1) {
        static char data[64 << 10];
        struct received all;
        switch (what) {
        case 'o':
            all = receive(peer, 0, 0, NULL);
            (void)!write(peer, &all, sizeof all);
            break;
        case 'i':
            while (write(peer, data, sizeof data) > 0)
                ;
            break;
        case 'r':
            while (read(peer, &byte, 1) == 1 && write(peer, &byte, 1) == 1)
                ;
            break;
        }
    }
    close(peer);
    return NULL;
}

static void serve(const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 8))
        fail("bind");
    printf("serving\n");
    fflush(stdout);
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        pthread_t thread;
        if (peer >= 0 && !pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)peer))
            pthread_detach(thread);
    }
}

// Folders.

static char share_data[SHARE_PIECE];

static uint64_t read_blocks(int file, double seconds)
{
    uint64_t done = 0;
    for (double until = now() + seconds; now() < until; done++)
        if (pread(file, share_data, BLOCK, next_random() % (SHARE_FILE / BLOCK) * BLOCK) != BLOCK)
            fail("read");
    return done;
}

static uint64_t sequence(int file, int write, double seconds)
{
    uint64_t done = 0;
    for (double until = now() + seconds; now() < until; done++) {
        off_t at = done % (SHARE_FILE / SHARE_PIECE) * SHARE_PIECE;
        ssize_t count = write ? pwrite(file, share_data, SHARE_PIECE, at) : pread(file, share_data, SHARE_PIECE, at);
        if (count != SHARE_PIECE)
            fail("a piece of a file");
    }
    return done;
}

static uint64_t look(double seconds)
{
    uint64_t done = 0;
    struct stat status;
    for (double until = now() + seconds; now() < until; done++)
        if (stat("big", &status))
            fail("stat");
    return done;
}

static uint64_t make_and_remove(double seconds)
{
    uint64_t done = 0;
    for (double until = now() + seconds; now() < until; done++) {
        int file = open("new", O_RDWR | O_CREAT | O_EXCL, 0600);
        if (file < 0 || close(file) || unlink("new"))
            fail("create and unlink");
    }
    return done;
}

static uint64_t files_once(const char *cell, int file, double seconds)
{
    if (!strcmp(cell, "9p-read4k"))
        return read_blocks(file, seconds);
    if (!strcmp(cell, "9p-seqread"))
        return sequence(file, 0, seconds);
    if (!strcmp(cell, "9p-seqwrite"))
        return sequence(file, 1, seconds);
    if (!strcmp(cell, "9p-stat"))
        return look(seconds);
    if (!strcmp(cell, "9p-create"))
        return make_and_remove(seconds);
    fail(cell);
    return 0;
}

static void files(const char *folder, double seconds, char **cells)
{
    int file;
    if (chdir(folder) || (file = open("big", O_RDWR | O_CREAT, 0600)) < 0)
        fail(folder);
    struct stat status;
    if (fstat(file, &status))
        fail("stat");
    if (status.st_size < SHARE_FILE)
        for (off_t at = 0; at < SHARE_FILE; at += SHARE_PIECE)
            if (pwrite(file, share_data, SHARE_PIECE, at) != SHARE_PIECE)
                fail("write");
    for (; *cells; cells++) {
        files_once(*cells, file, warming);
        begin(*cells);
        double start = now();
        uint64_t done = files_once(*cells, file, seconds);
        uint64_t bytes = !strncmp(*cells, "9p-seq", 6) ? SHARE_PIECE : 0;
        end(*cells, done, now() - start, bytes);
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && !strcmp(argv[1], "serve"))
        serve(argv[2]);
    if (argc < 6) {
        fprintf(stderr, "usage: device-load disk|net|files TARGET SECONDS WARMING CELL..., or serve ADDRESS\n");
        return 2;
    }
    double seconds = atof(argv[3]);
    warming = atof(argv[4]);
    if (!strcmp(argv[1], "disk"))
        disks(argv[2], seconds, argv + 5);
    else if (!strcmp(argv[1], "net"))
        networks(argv[2], seconds, argv + 5);
    else if (!strcmp(argv[1], "files"))
        files(argv[2], seconds, argv + 5);
    else
        fail(argv[1]);
    return 0;
}
