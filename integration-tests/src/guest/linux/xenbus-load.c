/*
 * xenbus-load SECONDS PROCESSES HOST-NODE: XenStore from many processes at once, through /dev/xen/xenbus, while somebody else
 * writes 1, 2, 3, ... to HOST-NODE and at last "end N". Each process has a connection of its own, and for SECONDS, and until it
 * has seen the end of the host's writes:
 *
 *   - writes its own nodes and reads them back;
 *   - adds one to a counter that all share, in transactions, until one is committed;
 *   - writes a node that it watches, and waits for the event;
 *   - watches HOST-NODE, whose value must never go back, and whose last value it must see;
 *   - writes 1, 2, 3, ... in turn to nodes that the next process watches, never one again before that has told that it has seen
 *     what was written to it. So each write makes an event of its own, and the next process checks that they come one after
 *     another, none left out and none twice, up to the last; and that what it then reads is not older than the event.
 *
 * Prints one line for each process and, if nothing is wrong, "xenbus-load: ok COMMITS commits, host's last N".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ = 2, WATCH = 4, TRANSACTION_START = 6, TRANSACTION_END = 7, WRITE = 11, RM = 13, WATCH_EVENT = 15, ERROR = 16 };

#define PAYLOAD_MAX 4096
#define OWN_NODES 20
/* Nodes that one process writes in turn for the next. Of each at most one event is under way. */
#define SEQUENCE_NODES 16
/* Beyond this something has been lost. */
#define PATIENCE_SECONDS 120

struct header { uint32_t type, req_id, tx_id, len; };

static int device, number, processes;
static const char *host_node;
static unsigned long own_events, host_events, host_value, commits, conflicts, requests;
static int host_ended;
/* Of the sequence: written by this process and seen by the next, seen of the previous, told to the previous. */
static unsigned long written, acknowledged, seen, told;
static int seen_ended;

static void fail(const char *format, ...)
{
    va_list arguments;

    printf("xenbus-load: process %d: ", number);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    exit(1);
}

static void exactly(void *to, size_t length)
{
    size_t got = 0;

    while (got < length) {
        ssize_t n = read(device, (char *)to + got, length - got);

        if (n <= 0)
            fail("read: %s", strerror(errno));
        got += (size_t)n;
    }
}

static int previous(void)
{
    return number == 1 ? processes : number - 1;
}

static int next(void)
{
    return number == processes ? 1 : number + 1;
}

/* An event of a node that the previous process writes: data/load/PREVIOUS/sequence/NODE. The watch's own first event is of the
 * directory. */
static void sequence_event(const char *path)
{
    const char *slash = strrchr(path, '/');
    unsigned long node;

    if (!strcmp(slash, "/sequence"))
        return;
    if (seen_ended)
        fail("an event of %s after the last", path);
    if (!strcmp(slash, "/end")) {
        seen_ended = 1;
        return;
    }
    node = strtoul(slash + 1, NULL, 10);
    if (node != (seen + 1) % SEQUENCE_NODES)
        fail("event of %s, but the last was of node %lu, the sequence's %lu", path, seen % SEQUENCE_NODES, seen);
    seen++;
}

/* The next message; an event is taken note of. Returns its type. */
static uint32_t receive(char payload[PAYLOAD_MAX + 1])
{
    struct header h;

    exactly(&h, sizeof(h));
    if (h.len > PAYLOAD_MAX)
        fail("a payload of %u bytes", h.len);
    exactly(payload, h.len);
    payload[h.len] = 0;
    if (h.type == WATCH_EVENT) {
        const char *token = payload + strlen(payload) + 1;

        if (!strcmp(token, "host"))
            host_events++;
        else if (!strcmp(token, "sequence"))
            sequence_event(payload);
        else
            own_events++;
    }
    return h.type;
}

/* Sends a request of strings, the last of which has no NUL if it is a value. Returns the reply's type, and its payload. */
static uint32_t ask(uint32_t type, uint32_t tx, char reply[PAYLOAD_MAX + 1], const char *first, const char *second, int is_value)
{
    char message[sizeof(struct header) + 512];
    size_t length = strlen(first) + 1;
    uint32_t got;
    struct header h = {type, 1, tx, 0};

    memcpy(message + sizeof(h), first, length);
    if (second) {
        size_t more = strlen(second) + !is_value;

        memcpy(message + sizeof(h) + length, second, more);
        length += more;
    }
    h.len = (uint32_t)length;
    memcpy(message, &h, sizeof(h));
    if (write(device, message, sizeof(h) + length) != (ssize_t)(sizeof(h) + length))
        fail("write: %s", strerror(errno));
    requests++;
    do
        got = receive(reply);
    while (got == WATCH_EVENT);
    if (got != type && got != ERROR)
        fail("a reply of type %u to a request of type %u", got, type);
    return got;
}

static void must(uint32_t type, uint32_t tx, char *reply, const char *first, const char *second, int is_value)
{
    if (ask(type, tx, reply, first, second, is_value) == ERROR)
        fail("request %u of %s: %s", type, first, reply);
}

static void own_nodes(unsigned long round)
{
    char path[64], value[32], reply[PAYLOAD_MAX + 1];

    snprintf(path, sizeof(path), "data/load/%d/%lu", number, round % OWN_NODES);
    snprintf(value, sizeof(value), "%lu", round);
    must(WRITE, 0, reply, path, value, 1);
    must(READ, 0, reply, path, NULL, 0);
    if (strcmp(reply, value))
        fail("%s is %s, not %s", path, reply, value);
}

static void count(void)
{
    char reply[PAYLOAD_MAX + 1], value[32];
    uint32_t tx;

    for (;;) {
        must(TRANSACTION_START, 0, reply, "", NULL, 0);
        tx = (uint32_t)strtoul(reply, NULL, 10);
        must(READ, tx, reply, "data/load/counter", NULL, 0);
        snprintf(value, sizeof(value), "%lu", strtoul(reply, NULL, 10) + 1);
        must(WRITE, tx, reply, "data/load/counter", value, 1);
        if (ask(TRANSACTION_END, tx, reply, "T", NULL, 0) != ERROR)
            break;
        if (strcmp(reply, "EAGAIN"))
            fail("commit: %s", reply);
        conflicts++;
    }
    commits++;
}

static void watched_node(unsigned long round)
{
    char path[64], value[32], reply[PAYLOAD_MAX + 1];
    unsigned long before = own_events;

    snprintf(path, sizeof(path), "data/load/%d/watched", number);
    snprintf(value, sizeof(value), "%lu", round);
    must(WRITE, 0, reply, path, value, 1);
    while (own_events == before)
        receive(reply);
}

static void look_at_host(void)
{
    char reply[PAYLOAD_MAX + 1];
    unsigned long value;

    /* It is not there before the host's first write. */
    if (ask(READ, 0, reply, host_node, NULL, 0) == ERROR) {
        if (host_value || strcmp(reply, "ENOENT"))
            fail("the host's node: %s", reply);
        return;
    }
    host_ended = !strncmp(reply, "end ", 4);
    value = strtoul(reply + (host_ended ? 4 : 0), NULL, 10);
    if (value < host_value)
        fail("the host's value went from %lu back to %lu", host_value, value);
    host_value = value;
}

/* Tells the previous process what has been seen of it, after a look at its newest node. */
static void tell(void)
{
    char path[64], value[32], reply[PAYLOAD_MAX + 1];
    unsigned long upto = seen;

    if (upto == told)
        return;
    snprintf(path, sizeof(path), "data/load/%d/sequence/%lu", previous(), upto % SEQUENCE_NODES);
    must(READ, 0, reply, path, NULL, 0);
    if (strtoul(reply, NULL, 10) != upto)
        fail("%s is %s, but its event was of %lu", path, reply, upto);
    snprintf(path, sizeof(path), "data/load/%d/seen", number);
    snprintf(value, sizeof(value), "%lu", upto);
    must(WRITE, 0, reply, path, value, 1);
    told = upto;
}

/* Reads what the next process has told. */
static void look_at_next(void)
{
    char path[64], reply[PAYLOAD_MAX + 1];
    unsigned long value;

    snprintf(path, sizeof(path), "data/load/%d/seen", next());
    must(READ, 0, reply, path, NULL, 0);
    value = strtoul(reply, NULL, 10);
    if (value < acknowledged || value > written)
        fail("process %d has seen %lu, after %lu, of %lu", next(), value, acknowledged, written);
    acknowledged = value;
}

/* Writes the next number, when the one before it in the same node has been seen. */
static void write_sequence(void)
{
    char path[64], value[32], reply[PAYLOAD_MAX + 1];

    while (written - acknowledged >= SEQUENCE_NODES) {
        tell(); /* it may be waiting for this one, round the whole ring */
        look_at_next();
    }
    snprintf(path, sizeof(path), "data/load/%d/sequence/%lu", number, (written + 1) % SEQUENCE_NODES);
    snprintf(value, sizeof(value), "%lu", written + 1);
    written++;
    must(WRITE, 0, reply, path, value, 1);
}

/* Says how many numbers there were, and waits for as many of the previous process, and until the next has seen all. */
static void end_sequence(void)
{
    char path[64], value[32], reply[PAYLOAD_MAX + 1];

    snprintf(path, sizeof(path), "data/load/%d/sequence/end", number);
    snprintf(value, sizeof(value), "%lu", written);
    must(WRITE, 0, reply, path, value, 1);
    while (!seen_ended || acknowledged < written) {
        tell();
        look_at_next();
    }
    tell();
    snprintf(path, sizeof(path), "data/load/%d/sequence/end", previous());
    must(READ, 0, reply, path, NULL, 0);
    if (strtoul(reply, NULL, 10) != seen)
        fail("process %d has written %s, but %lu were seen", previous(), reply, seen);
}

static void run(int seconds)
{
    char path[64], reply[PAYLOAD_MAX + 1];
    time_t end = time(NULL) + seconds;
    unsigned long round = 0, looked = 0;

    alarm((unsigned)(seconds + PATIENCE_SECONDS));
    device = open("/dev/xen/xenbus", O_RDWR);
    if (device < 0)
        fail("/dev/xen/xenbus: %s", strerror(errno));
    snprintf(path, sizeof(path), "data/load/%d/watched", number);
    must(WATCH, 0, reply, path, "own", 0);
    must(WATCH, 0, reply, host_node, "host", 0);
    snprintf(path, sizeof(path), "data/load/%d/sequence", previous());
    must(WATCH, 0, reply, path, "sequence", 0);
    snprintf(path, sizeof(path), "data/load/%d/watching", number);
    must(WRITE, 0, reply, path, "", 1);
    snprintf(path, sizeof(path), "data/load/%d/watching", next());
    while (ask(READ, 0, reply, path, NULL, 0) == ERROR)
        ; /* what is written before it watches is not for it */
    while (own_events == 0 || host_events == 0)
        receive(reply);
    while (!host_ended || time(NULL) < end) {
        if (time(NULL) < end) {
            own_nodes(++round);
            count();
            watched_node(round);
            write_sequence();
            tell();
        } else {
            /* The host's next event; the previous process may wait for this one meanwhile. */
            while (host_events == looked) {
                receive(reply);
                tell();
            }
        }
        if (host_events != looked) {
            looked = host_events;
            look_at_host();
        }
    }
    end_sequence();
    printf("process %d: %lu requests, %lu commits, %lu conflicts, %lu own events, %lu events and value %lu of the host, %lu of"
           " process %d in sequence\n", number, requests, commits, conflicts, own_events, host_events, host_value, seen, previous());
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char reply[PAYLOAD_MAX + 1], value[64];
    int status, failed = 0, results[2];
    unsigned long total = 0, own;

    if (argc != 4) {
        fprintf(stderr, "usage: xenbus-load SECONDS PROCESSES HOST-NODE\n");
        return 2;
    }
    processes = atoi(argv[2]);
    host_node = argv[3];
    if (pipe(results))
        fail("pipe: %s", strerror(errno));
    device = open("/dev/xen/xenbus", O_RDWR);
    if (device < 0)
        fail("/dev/xen/xenbus: %s", strerror(errno));
    ask(RM, 0, reply, "data/load", NULL, 0); /* what an earlier run has left, if there was one */
    must(WRITE, 0, reply, "data/load/counter", "0", 1);
    for (int i = 1; i <= processes; i++) {
        snprintf(value, sizeof(value), "data/load/%d/seen", i);
        must(WRITE, 0, reply, value, "0", 1);
    }
    printf("xenbus-load: started\n");
    fflush(stdout);
    for (int i = 1; i <= processes; i++) {
        if (fork() == 0) {
            close(device);
            number = i;
            run(atoi(argv[1]));
            if (write(results[1], &commits, sizeof(commits)) != sizeof(commits))
                fail("pipe: %s", strerror(errno));
            if (i == 1) {
                snprintf(value, sizeof(value), "%lu", host_value);
                must(WRITE, 0, reply, "data/load/host", value, 1);
            }
            return 0;
        }
    }
    while (wait(&status) > 0)
        if (status) {
            printf("xenbus-load: a process ended with status %#x\n", (unsigned)status);
            failed = 1;
        }
    if (failed)
        return 1;
    for (int i = 0; i < processes; i++) {
        if (read(results[0], &own, sizeof(own)) != sizeof(own))
            fail("pipe: %s", strerror(errno));
        total += own;
    }
    must(READ, 0, reply, "data/load/counter", NULL, 0);
    if (strtoul(reply, NULL, 10) != total)
        fail("%lu commits, but the counter is %s", total, reply);
    must(READ, 0, reply, "data/load/host", NULL, 0);
    printf("xenbus-load: ok %lu commits, host's last %s\n", total, reply);
    return 0;
}
