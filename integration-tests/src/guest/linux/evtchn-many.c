/* As many ports as there can be. */
#include "check.h"
#include "evtchn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 512
#define MAX_PORTS (1u << 17)

static unsigned char fired[MAX_PORTS];

/* Takes events until `count` have come, and lets their ports fire again; how many came that should not have. */
static long take(int device, unsigned int count, long *unexpected)
{
    uint32_t ports[BATCH];
    long taken = 0;

    *unexpected = 0;
    while (taken < (long)count) {
        long got = evtchn_read(device, ports, BATCH);

        if (got == -EAGAIN) {
            long port = evtchn_wait_one(device);

            if (port < 0)
                break;
            ports[0] = (uint32_t)port;
            got = 1;
        }
        if (got < 0)
            break;
        for (long i = 0; i < got; i++) {
            *unexpected += ports[i] >= MAX_PORTS || fired[ports[i]] != 1;
            fired[ports[i] % MAX_PORTS] = 0;
        }
        if (evtchn_write(device, ports, (size_t)got) != got)
            break;
        taken += got;
    }
    *unexpected += evtchn_read_late(device) != -EAGAIN;
    return taken;
}

static void check_each_once(const char *arrive, const char *once, int from, int to, const uint32_t *sources, const uint32_t *targets,
                            unsigned int count)
{
    long unexpected;

    for (unsigned int i = 0; i < count; i++) {
        fired[targets[i]] = 1;
        evtchn_notify(from, sources[i]);
    }
    check(arrive, take(to, count, &unexpected), count);
    check(once, unexpected, 0);
}

void check_many(unsigned int channels)
{
    int here = evtchn_open(), there = evtchn_open();
    uint32_t *ours = calloc(channels, sizeof(*ours)), *theirs = calloc(channels, sizeof(*theirs));
    unsigned int highest = 0, bound;

    if (!ours || !theirs)
        die("calloc");
    for (bound = 0; bound < channels; bound++) {
        struct channel channel = channel_open(here, there);

        ours[bound] = channel.here;
        theirs[bound] = channel.there;
        highest = channel.there > highest ? channel.there : highest;
    }
    check("many.bound", bound, channels);
    printf("many: %u ports at once, the highest is %u\n", 2 * channels, highest);
    check_each_once("many.arrive", "many.once", here, there, ours, theirs, channels);
    check_each_once("many.back_arrive", "many.back_once", there, here, theirs, ours, channels);
    check("many.highest_above_all", highest >= 2 * channels, 1);
    close(here);
    close(there);
    free(ours);
    free(theirs);
}

void check_exhaustion(unsigned int last_port)
{
    int device = evtchn_open();
    long port, highest = 0, freed;

    for (port = evtchn_bind_unbound(device, DOMID_SELF); port >= 0; port = evtchn_bind_unbound(device, DOMID_SELF))
        highest = port > highest ? port : highest;
    check("full.refusal", port, -ENOSPC);
    check("full.last_port", highest, last_port);
    check("full.refusal_of_virq", evtchn_bind_virq(device, 3), -ENOSPC);
    freed = highest - 1;
    check("full.unbind", evtchn_unbind(device, (unsigned int)freed), 0);
    check("full.freed_port_is_used", evtchn_bind_unbound(device, DOMID_SELF), freed);
    check("full.refusal_again", evtchn_bind_unbound(device, DOMID_SELF), -ENOSPC);
    close(device);
    device = evtchn_open();
    port = evtchn_bind_unbound(device, DOMID_SELF);
    check("full.all_are_free_again", port > 0 && port < freed, 1);
    close(device);
}
