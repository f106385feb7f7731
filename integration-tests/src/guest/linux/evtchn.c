#include "evtchn.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/sys/evtchn.h>

/* Nothing takes a hundredth of this on real hardware; emulation two levels deep is slow. */
#define PATIENCE_MS 120000

/* An event that has been sent takes a few of these at most, in the lab. */
#define LATE_MS 100

static long result(long returned)
{
    return returned < 0 ? -errno : returned;
}

int evtchn_open(void)
{
    int device = open("/dev/xen/evtchn", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (device < 0)
        die("/dev/xen/evtchn");
    return device;
}

long evtchn_bind_unbound(int device, unsigned int remote_domain)
{
    struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain = remote_domain};

    return result(ioctl(device, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind));
}

long evtchn_bind_interdomain(int device, unsigned int remote_domain, unsigned int remote_port)
{
    struct ioctl_evtchn_bind_interdomain bind = {.remote_domain = remote_domain, .remote_port = remote_port};

    return result(ioctl(device, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind));
}

long evtchn_bind_virq(int device, unsigned int virq)
{
    struct ioctl_evtchn_bind_virq bind = {.virq = virq};

    return result(ioctl(device, IOCTL_EVTCHN_BIND_VIRQ, &bind));
}

long evtchn_unbind(int device, unsigned int port)
{
    struct ioctl_evtchn_unbind unbind = {.port = port};

    return result(ioctl(device, IOCTL_EVTCHN_UNBIND, &unbind));
}

long evtchn_notify(int device, unsigned int port)
{
    struct ioctl_evtchn_notify notify = {.port = port};

    return result(ioctl(device, IOCTL_EVTCHN_NOTIFY, &notify));
}

long evtchn_reset(int device)
{
    return result(ioctl(device, IOCTL_EVTCHN_RESET));
}

long evtchn_restrict(int device, unsigned int domain)
{
    struct ioctl_evtchn_restrict_domid restriction = {.domid = (domid_t)domain};

    return result(ioctl(device, IOCTL_EVTCHN_RESTRICT_DOMID, &restriction));
}

long evtchn_read(int device, uint32_t *ports, size_t room)
{
    long bytes = result(read(device, ports, room * sizeof(*ports)));

    return bytes < 0 ? bytes : bytes / (long)sizeof(*ports);
}

long evtchn_read_one(int device)
{
    uint32_t port;
    long count = evtchn_read(device, &port, 1);

    return count == 1 ? (long)port : count;
}

long evtchn_read_late(int device)
{
    struct pollfd ready = {.fd = device, .events = POLLIN};

    poll(&ready, 1, LATE_MS);
    return evtchn_read_one(device);
}

long evtchn_poll(int device, short events)
{
    struct pollfd poller = {.fd = device, .events = events};
    long ready = result(poll(&poller, 1, PATIENCE_MS));

    return ready < 0 ? ready : ready == 0 ? -ETIME : poller.revents;
}

long evtchn_wait_one(int device)
{
    long ready = evtchn_poll(device, POLLIN);

    return ready < 0 ? ready : evtchn_read_one(device);
}

long evtchn_write(int device, const uint32_t *ports, size_t count)
{
    long bytes = result(write(device, ports, count * sizeof(*ports)));

    return bytes < 0 ? bytes : bytes / (long)sizeof(*ports);
}

long evtchn_enable(int device, uint32_t port)
{
    return evtchn_write(device, &port, 1);
}

struct channel channel_open(int here, int there)
{
    long first = evtchn_bind_unbound(here, DOMID_SELF);
    long second = first < 0 ? first : evtchn_bind_interdomain(there, DOMID_SELF, (unsigned int)first);

    if (second < 0) {
        errno = (int)-second;
        die("cannot open a channel");
    }
    /* Xen signals the port that was bound to another, since what came before may have been lost. */
    if (evtchn_wait_one(there) != second)
        die("no signal after bind_interdomain");
    evtchn_enable(there, (uint32_t)second);
    return (struct channel){.here = (uint32_t)first, .there = (uint32_t)second};
}
