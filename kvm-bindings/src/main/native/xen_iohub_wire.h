/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The protocol by which a process of remote devices gets interrupt lines of a guest of xen-emu.
 *
 * The process connects to the service's device socket (SOCK_SEQPACKET, Unix domain). A packet is a message: a header and
 * the structure of its type. Numbers are of the host's byte order. Each side numbers its own requests by a tag, and
 * XI_RESULT repeats the tag of what it answers. Every message but XI_RESULT is answered.
 *
 * A build of the service compares this file with its own table of layouts.
 */
#ifndef XEN_IOHUB_WIRE_H
#define XEN_IOHUB_WIRE_H

#include <stdint.h>

#define XI_MAGIC 0x42484958u /* "XIHB" */
#define XI_VERSION 1

/* Features, of which either side uses those that both have. None is defined yet. */
#define XI_FEATURES 0

/* Lines of a guest, and so slots of a hub: the pins of the I/O APIC. Not all of them are for remote devices. */
#define XI_PIRQS 24

/* With XI_SET_IRQFD: the irqfd, then the resamplefd. */
#define XI_DESCRIPTORS 2

enum xi_type {
    /* From the process. */
    XI_HELLO = 1,   /* first: the guest of which it wants lines */
    XI_CONNECT = 2, /* it wants a line; answered when it has answered XI_SET_IRQFD */
    XI_RELEASE = 3, /* it gives a line back */
    XI_COUNTS = 4,  /* what it has counted */

    /* From the service. */
    XI_SET_IRQFD = 16, /* here are the descriptors of a line */

    XI_RESULT = 32, /* answers */
};

struct xi_header {
    uint16_t type;
    uint16_t reserved;
    uint32_t tag;
};

struct xi_hello {
    struct xi_header header;
    uint32_t magic;
    uint32_t version;
    uint64_t features;
    uint32_t domid;
    uint32_t reserved;
};

/* XI_CONNECT, XI_RELEASE, XI_SET_IRQFD. */
struct xi_line {
    struct xi_header header;
    uint32_t pirq; /* the line: a GSI, whatever PIRQ the guest has mapped it to */
    uint32_t reserved;
};

/* Totals of a line since it was connected. */
struct xi_counts {
    struct xi_header header;
    uint32_t pirq;
    uint32_t reserved;
    uint64_t raises;   /* the line was let go, and was raised */
    uint64_t reraises; /* it was held at the end of an interrupt, and was raised again */
};

struct xi_result {
    struct xi_header header;
    int32_t result; /* 0, or a negated errno */
    uint32_t version; /* of the service, in the answer to XI_HELLO */
    uint64_t features;
};

#endif
