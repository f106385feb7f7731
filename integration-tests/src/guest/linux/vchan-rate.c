// How fast bytes go from one guest to another over a vchan, and from one process of a guest to another through a pipe:
//   vchan-rate server DOMAIN PATH RING_BYTES     takes what comes
//   vchan-rate client DOMAIN PATH SECONDS        sends, and prints a line for each size of block
//   vchan-rate pipe SECONDS                      the same within one guest
// Each measurement is a header (how many blocks of how many bytes, 0 for the end), the blocks, and one byte back.
#include <libxenvchan.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 65536 };

static const uint32_t block_sizes[] = {64, 1024, 4096, LARGEST};
static char buffer[LARGEST];

struct header {
    uint32_t block;
    uint32_t count;
};

// Either a vchan or two pipes.
struct link {
    struct libxenvchan *vchan;
    int in, out;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void put(struct link *link, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const char *rest = (const char *)data + done;
        ssize_t count = link->vchan ? libxenvchan_write(link->vchan, rest, size - done) : write(link->out, rest, size - done);
        if (count <= 0)
            fail("write");
        done += count;
    }
}

static void take(struct link *link, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        char *rest = (char *)data + done;
        ssize_t count = link->vchan ? libxenvchan_read(link->vchan, rest, size - done) : read(link->in, rest, size - done);
        if (count <= 0)
            fail("read");
        done += count;
    }
}

static void serve(struct link *link)
{
    struct header header;
    for (take(link, &header, sizeof header); header.block; take(link, &header, sizeof header)) {
        if (header.block > LARGEST)
            exit(1);
        for (uint32_t i = 0; i < header.count; i++)
            take(link, buffer, header.block);
        put(link, "k", 1);
    }
    put(link, "k", 1);
}

static double send_blocks(struct link *link, uint32_t block, uint32_t count)
{
    struct timespec from, to;
    struct header header = {block, count};
    char done;
    clock_gettime(CLOCK_MONOTONIC, &from);
    put(link, &header, sizeof header);
    for (uint32_t i = 0; i < count; i++)
        put(link, buffer, block);
    take(link, &done, 1);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9;
}

static void measure(struct link *link, const char *name, double seconds)
{
    for (size_t i = 0; i < sizeof block_sizes / sizeof *block_sizes; i++) {
        uint32_t block = block_sizes[i], count = 16;
        double took = send_blocks(link, block, count);
        // Doubled until it takes long enough to mean something.
        while (took < seconds) {
            count *= 2;
            took = send_blocks(link, block, count);
        }
        printf("%-6s blocks of %5u bytes: %8.3f MB/s\n", name, block, block * (double)count / took / 1e6);
        fflush(stdout);
    }
    struct header end = {0, 0};
    char done;
    put(link, &end, sizeof end);
    take(link, &done, 1);
}

static void measure_pipe(double seconds)
{
    int there[2], back[2];
    if (pipe(there) || pipe(back))
        fail("pipe");
    if (fork() == 0) {
        struct link link = {NULL, there[0], back[1]};
        serve(&link);
        exit(0);
    }
    struct link link = {NULL, back[0], there[1]};
    measure(&link, "pipe", seconds);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "pipe")) {
        measure_pipe(atof(argv[2]));
        return 0;
    }
    if (argc != 5)
        return 2;
    struct link link = {NULL, -1, -1};
    int domain = atoi(argv[2]);
    if (!strcmp(argv[1], "server")) {
        size_t ring = strtoul(argv[4], NULL, 0);
        link.vchan = libxenvchan_server_init(NULL, domain, argv[3], ring, ring);
        if (!link.vchan)
            fail("server");
        link.vchan->blocking = 1;
        while (libxenvchan_is_open(link.vchan) == 2)
            libxenvchan_wait(link.vchan);
        serve(&link);
        // The last byte is lost to the client if the server leaves first.
        while (libxenvchan_is_open(link.vchan) == 1)
            libxenvchan_wait(link.vchan);
    } else {
        while (!(link.vchan = libxenvchan_client_init(NULL, domain, argv[3])))
            usleep(100000);
        link.vchan->blocking = 1;
        measure(&link, "vchan", atof(argv[4]));
    }
    libxenvchan_close(link.vchan);
    return 0;
}
