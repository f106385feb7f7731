/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Interrupt lines of a guest of xen-emu, for a process of remote devices. Plain C11, no dependencies but POSIX threads.
 *
 * Any thread raises and lowers lines. One thread makes the other calls.
 */
#ifndef XEN_IOHUB_H
#define XEN_IOHUB_H

#include <stdint.h>

struct xen_iohub;

struct xen_iohub_counts {
    uint64_t raises;   /* the line was let go, and was raised */
    uint64_t reraises; /* it was held at the end of an interrupt, and was raised again */
    uint64_t ends;     /* ends of its interrupts */
};

/* Connects to the service's device socket for a guest. Null with errno set. */
struct xen_iohub *xen_iohub_connect(const char *path, uint32_t domid);

/* Gets a line, or new descriptors of one; gives one back. 0, or a negated errno: -EPIPE if the service has gone. */
int xen_iohub_line(struct xen_iohub *hub, unsigned int pirq);
int xen_iohub_release(struct xen_iohub *hub, unsigned int pirq);

/* One more device holds the line; one lets it go. A line that nobody holds stays so. */
void xen_iohub_raise(struct xen_iohub *hub, unsigned int pirq);
void xen_iohub_lower(struct xen_iohub *hub, unsigned int pirq);

/*
 * Waits for ends of interrupts, and raises the lines again that are held. The number of lines; 0 after a wait in vain; a
 * negated errno, -EPIPE if the domain or the service has gone.
 */
int xen_iohub_wait(struct xen_iohub *hub, int milliseconds);

void xen_iohub_count(struct xen_iohub *hub, unsigned int pirq, struct xen_iohub_counts *counts);

/* Tells the service of them. */
int xen_iohub_tell(struct xen_iohub *hub, unsigned int pirq);

/* Gives all lines back. */
void xen_iohub_close(struct xen_iohub *hub);

#endif
