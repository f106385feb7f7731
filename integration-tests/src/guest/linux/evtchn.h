/* /dev/xen/evtchn: what every check needs. Results are those of the system call, with -errno for a failure. */
#ifndef EVTCHN_H
#define EVTCHN_H

#include <stdint.h>
#include <stddef.h>

#define DOMID_SELF 0x7ff0u

/* A new, non-blocking user of the device. */
int evtchn_open(void);

long evtchn_bind_unbound(int device, unsigned int remote_domain);
long evtchn_bind_interdomain(int device, unsigned int remote_domain, unsigned int remote_port);
long evtchn_bind_virq(int device, unsigned int virq);
long evtchn_unbind(int device, unsigned int port);
long evtchn_notify(int device, unsigned int port);
long evtchn_reset(int device);
long evtchn_restrict(int device, unsigned int domain);

/* Reads the ports that have fired; their number, or -EAGAIN if none has. */
long evtchn_read(int device, uint32_t *ports, size_t room);

/* The same for one port. */
long evtchn_read_one(int device);

/* The same after a moment in which an event that ought not to be would have come. */
long evtchn_read_late(int device);

/* Waits until a port fires, as long as it may take at the worst; -ETIME after that. */
long evtchn_wait_one(int device);

/* Waits until poll() has one of `events` to say; what it says. */
long evtchn_poll(int device, short events);

/* Lets ports fire again. */
long evtchn_write(int device, const uint32_t *ports, size_t count);
long evtchn_enable(int device, uint32_t port);

/* Both ends of a loopback channel, with nothing pending. */
struct channel {
    uint32_t here, there;
};

struct channel channel_open(int here, int there);

/* The groups of checks. */
void check_binding(unsigned int own_domain);
void check_delivery(void);
void check_ringing(unsigned int rounds);
void check_many(unsigned int channels);
void check_exhaustion(unsigned int last_port);

#endif
