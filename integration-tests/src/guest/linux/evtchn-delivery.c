/* What the device shows of an event: once, and masked until the port is written back. */
#include "check.h"
#include "evtchn.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void *volatile nowhere;

static void check_one_event(int here, int there, struct channel channel)
{
    check("deliver.poll_before", evtchn_poll(there, POLLIN | POLLOUT), POLLOUT);
    check("deliver.read_before", evtchn_read_one(there), -EAGAIN);
    check("deliver.notify", evtchn_notify(here, channel.here), 0);
    check("deliver.poll", evtchn_poll(there, POLLIN), POLLIN);
    check("deliver.read", evtchn_read_one(there), channel.there);
    check("deliver.read_again", evtchn_read_late(there), -EAGAIN);
    check("deliver.not_to_sender", evtchn_read_late(here), -EAGAIN);
}

/* The port has fired and has not been written back. */
static void check_masked(int here, int there, struct channel channel)
{
    for (int i = 0; i < 5; i++)
        evtchn_notify(here, channel.here);
    check("masked.read", evtchn_read_late(there), -EAGAIN);
    check("masked.write_by_another_user", evtchn_enable(here, channel.there), 1);
    check("masked.read_after_that", evtchn_read_late(there), -EAGAIN);
    check("masked.write", evtchn_enable(there, channel.there), 1);
    check("masked.arrives", evtchn_wait_one(there), channel.there);
    check("masked.write_of_five", evtchn_enable(there, channel.there), 1);
    check("masked.five_are_one", evtchn_read_late(there), -EAGAIN);
    check("masked.write_twice", evtchn_enable(there, channel.there), 1);
    check("masked.back", evtchn_notify(there, channel.there), 0);
    check("masked.back_arrives", evtchn_wait_one(here), channel.here);
    check("masked.back_write", evtchn_enable(here, channel.here), 1);
}

static void check_sizes(int here, int there, struct channel channel)
{
    uint32_t ports[2];

    check("size.read_of_less", read(there, ports, sizeof(ports[0]) - 1), 0);
    check("size.write_of_less", write(there, ports, sizeof(ports[0]) - 1), 0);
    check("size.read_to_nowhere", evtchn_read(there, NULL, 0), 0);
    evtchn_notify(here, channel.here);
    check("size.poll", evtchn_poll(there, POLLIN), POLLIN);
    check("size.read_into_nothing", read(there, nowhere, sizeof(ports)) < 0 ? -errno : 0, -EFAULT);
    check("size.read_is_still_there", evtchn_read(there, ports, 2), 1);
    check("size.port", ports[0], channel.there);
    check("size.write_from_nothing", write(there, nowhere, sizeof(ports)) < 0 ? -errno : 0, -EFAULT);
    check("size.write", evtchn_enable(there, ports[0]), 1);
}

static void check_reset(int here, int there, struct channel channel)
{
    evtchn_notify(here, channel.here);
    check("reset.poll", evtchn_poll(there, POLLIN), POLLIN);
    check("reset", evtchn_reset(there), 0);
    check("reset.read", evtchn_read_one(there), -EAGAIN);
    /* The port stays bound, and masked. */
    check("reset.write", evtchn_enable(there, channel.there), 1);
    check("reset.notify", evtchn_notify(here, channel.here), 0);
    check("reset.arrives", evtchn_wait_one(there), channel.there);
    check("reset.write_again", evtchn_enable(there, channel.there), 1);
}

/* Events for a port whose other end has gone do no harm, and a new end gets its own. */
static void check_peer_gone(int here, int there, struct channel channel)
{
    long port;

    check("gone.unbind", evtchn_unbind(there, channel.there), 0);
    check("gone.notify", evtchn_notify(here, channel.here), 0);
    check("gone.read", evtchn_read_late(there), -EAGAIN);
    port = evtchn_bind_interdomain(there, DOMID_SELF, channel.here);
    check("gone.bound_again", evtchn_wait_one(there), port);
    check("gone.write", evtchn_enable(there, (uint32_t)port), 1);
    check("gone.notify_again", evtchn_notify(here, channel.here), 0);
    check("gone.arrives", evtchn_wait_one(there), port);
}

void check_delivery(void)
{
    int here = evtchn_open(), there = evtchn_open();
    struct channel channel = channel_open(here, there);

    check_one_event(here, there, channel);
    check_masked(here, there, channel);
    check_sizes(here, there, channel);
    check_reset(here, there, channel);
    check_peer_gone(here, there, channel);
    close(here);
    close(there);
}
