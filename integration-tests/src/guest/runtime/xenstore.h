/* A client of the XenStore ring, without interrupts: it polls the ring and pauses between looks. */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stdint.h>

#include "xen.h"

#include <xen/io/xs_wire.h>


#define XENSTORE_BODY_MAX 4096

struct xenstore_reply {
    struct xsd_sockmsg header;
    char body[XENSTORE_BODY_MAX + 1];
};

/* Finds ring and port from the HVM parameters; 0 if there is none. */
int xenstore_connect(void);

/* Cycles of the TSC to wait for a reply: about two seconds, unless a guest that needs the reply sets more. */
extern uint64_t xenstore_patience;

/* Sends one request and returns its reply; NULL if none comes in time. */
const struct xenstore_reply *xenstore_request(uint32_t type, uint32_t tx, const char *body, uint32_t length);

/* The next watch event: read while waiting for a reply, or arriving now; NULL without one. */
const struct xenstore_reply *xenstore_next_event(void);

#endif
