/*
 * A process of remote devices on one line of a guest:
 *
 *     device SOCKET DOMID LINE DEVICES
 *
 * Each of its devices raises the line in turn, a further one while others hold it, and lets it go after a few ends of
 * interrupts. It prints "connected" when it has the line, and works on a byte of input. When the domain has ended, or the
 * input, it prints what it has counted. A held line of which no interrupt ends in time is stuck.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xen_iohub.h"

#define MOST_DEVICES 16
/* Also on a machine that is loaded. */
#define STUCK_MILLISECONDS 60000

static struct xen_iohub *hub;
static unsigned int line;
static uint64_t rounds;

/* Waits until an interrupt has ended. 0 if the domain has gone. */
static int await_end(void)
{
    int result = xen_iohub_wait(hub, STUCK_MILLISECONDS);

    if (result == 0) {
        printf("stuck in round %llu\n", (unsigned long long)rounds);
        exit(1);
    }
    if (result < 0 && result != -EPIPE) {
        printf("wait: %s\n", strerror(-result));
        exit(1);
    }
    return result > 0;
}

static int input_ended(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;

    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) == 0;
}

/* Raises the line by all devices, and lowers it device by device. 0 if the domain has gone. */
static int play(unsigned int devices)
{
    int there = 1;

    for (unsigned int i = 0; i < devices; i++)
        xen_iohub_raise(hub, line);
    for (unsigned int i = 0; i < devices; i++) {
        for (uint64_t ends = 0; there && ends <= (rounds + i) % 3; ends++)
            there = await_end();
        xen_iohub_lower(hub, line);
    }
    rounds++;
    return there;
}

int main(int count, char **arguments)
{
    struct xen_iohub_counts counts;
    unsigned int devices;
    char byte;
    int result;

    if (count != 5)
        return 2;
    line = (unsigned int)atoi(arguments[3]);
    devices = (unsigned int)atoi(arguments[4]);
    if (devices < 1 || devices > MOST_DEVICES)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    hub = xen_iohub_connect(arguments[1], (uint32_t)atoi(arguments[2]));
    if (!hub) {
        printf("connect: %s\n", strerror(errno));
        return 1;
    }
    result = xen_iohub_line(hub, line);
    if (result < 0) {
        printf("line %u: %s\n", line, strerror(-result));
        return 1;
    }
    printf("connected\n");
    if (read(STDIN_FILENO, &byte, 1) == 1)
        while (play(devices) && !input_ended())
            ;
    /* Ends that were told with the end of the domain. */
    while (xen_iohub_wait(hub, 0) > 0)
        ;
    xen_iohub_count(hub, line, &counts);
    result = xen_iohub_tell(hub, line);
    printf("rounds=%llu raises=%llu reraises=%llu ends=%llu told=%d\n", (unsigned long long)rounds,
           (unsigned long long)counts.raises, (unsigned long long)counts.reraises, (unsigned long long)counts.ends,
           result);
    xen_iohub_close(hub);
    return 0;
}
