/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The protocol by which a VMM has its KVM guest served by xen-emu.
 *
 * The VMM connects to the service's attach socket (SOCK_SEQPACKET, Unix domain). A packet is a message: a header, the
 * structure of its type, and what follows that. Descriptors come with it (SCM_RIGHTS). Numbers are of the host's byte
 * order. Each side numbers its own requests by a tag; XA_RESULT repeats the tag of what it answers.
 *
 * A vCPU that has made an exit of the service's is handed over by an exchange: memory that both sides have mapped. The
 * exit itself is in the vCPU's kvm_run, which the service has mapped too.
 *
 * A build of the service compares this file with its own table of layouts.
 */
#ifndef XEN_ATTACH_WIRE_H
#define XEN_ATTACH_WIRE_H

#include <stdint.h>

#define XA_MAGIC 0x54415858u /* "XXAT" */
#define XA_VERSION 1

/* Longest message, and most descriptors with one. */
#define XA_MAX_BYTES 65536
#define XA_MAX_DESCRIPTORS 8
#define XA_MAX_LINKS 4
#define XA_MAX_VCPUS 128
#define XA_MAX_RANGES 16

/* Features, of which either side uses those that both have. None is defined yet. */
#define XA_FEATURES 0

enum xa_type {
    /* From the VMM; each is answered. */
    XA_HELLO = 1, /* first: a VM wants to be a domain */
    XA_RAM = 2,   /* where the guest's memory is */
    XA_VCPU = 3,  /* a vCPU was made */
    XA_START = 4, /* all vCPUs are there, and none has run */
    XA_RESET = 5, /* the machine was reset: all vCPUs stand still, as before XA_START */

    /* From the service; each is answered but XA_KICK and XA_END. */
    XA_IOCTL = 16,  /* carry out an ioctl on the VM, or on a vCPU before XA_START has been answered */
    XA_MEMORY = 17, /* here is a memory to map from */
    XA_FORGET = 18, /* that memory is not needed any more; its mappings stay */
    XA_MAP = 19,    /* map a part of a memory, or what was there before */
    XA_UNMAP = 20,  /* take a mapping away */
    XA_ROUTES = 21, /* interrupt routes beside the VMM's own */
    XA_CLAIM = 22,  /* exits that are the service's */
    XA_UNPLUG = 23, /* the guest wants its emulated devices gone */
    XA_KICK = 24,   /* a vCPU shall be handed over */
    XA_END = 25,    /* the domain has ended */

    XA_RESULT = 32, /* answers */
};

struct xa_header {
    uint16_t type;
    uint16_t reserved;
    uint32_t tag;
};

/* A text of `settings_bytes` follows: lines of `name=value`. Answer: XA_RESULT with xa_welcome. */
struct xa_hello {
    struct xa_header header;
    uint32_t magic;
    uint32_t version;
    uint64_t features;
    uint32_t settings_bytes;
    uint32_t reserved;
};

struct xa_welcome {
    uint32_t version;
    uint32_t reserved;
    uint64_t features;
};

/*
 * All memory of the guest is of one memfd, sealed against shrinking, of which XA_SPARE_BYTES at the end are the service's:
 * holes until the guest wants pages at other frames. Each part is at most once at the guest's addresses and in the VMM.
 */
#define XA_SPARE_BYTES (64ul << 20)
#define XA_MAX_RAM_RANGES 4

struct xa_ram_range {
    uint64_t guest_address;
    uint64_t bytes;
    uint64_t address; /* in the VMM */
    uint64_t offset;  /* in the memfd */
};

/* With the memfd. */
struct xa_ram {
    struct xa_header header;
    uint32_t ranges;
    uint32_t reserved;
    struct xa_ram_range range[XA_MAX_RAM_RANGES];
};

/* With the vCPU's descriptor. The answer has that of the exchange. */
struct xa_vcpu {
    struct xa_header header;
    uint32_t vcpu; /* Xen's number: the order of creation */
    uint32_t apic_id;
    uint32_t run_bytes;
    uint32_t reserved;
};

/* XA_START, XA_RESET. */
struct xa_plain {
    struct xa_header header;
};

/* The argument of an ioctl is its value, or a structure that follows, and then comes back with the answer. */
#define XA_VALUE 0u
#define XA_STRUCT 1u

/* A member of the structure is an address of bytes that follow the structure, or a descriptor of the message. */
#define XA_ADDRESS 0u
#define XA_DESCRIPTOR 1u

struct xa_link {
    uint32_t kind;
    uint32_t at;     /* offset of the member in the structure */
    uint32_t target; /* XA_ADDRESS: offset after the links, 0 for a null pointer. XA_DESCRIPTOR: which one */
    uint32_t bytes;  /* XA_ADDRESS */
};

struct xa_call {
    uint32_t request;
    uint32_t kind;
    uint64_t value;
    uint32_t bytes; /* of the structure and of what it points to */
    uint32_t links;
    struct xa_link link[XA_MAX_LINKS];
};

#define XA_VM (-1)

struct xa_ioctl {
    struct xa_header header;
    int32_t vcpu; /* or XA_VM */
    uint32_t reserved;
    struct xa_call call;
};

/* With its descriptor. */
struct xa_memory {
    struct xa_header header;
    uint32_t memory; /* a number that the service chooses */
    uint32_t reserved;
    uint64_t bytes;
};

struct xa_forget {
    struct xa_header header;
    uint32_t memory;
    uint32_t reserved;
};

#define XA_MAP_READ_ONLY 1u
#define XA_MAP_RAM 2u /* the guest's memory, instead of `memory` */

/* The answer's value is the address. */
struct xa_map {
    struct xa_header header;
    uint32_t memory;
    uint32_t flags;
    uint64_t address; /* 0 for a new one */
    uint64_t offset;
    uint64_t bytes;
};

struct xa_unmap {
    struct xa_header header;
    uint64_t address;
    uint64_t bytes;
};

/* `count` struct kvm_irq_routing_entry follow. They replace those of the last XA_ROUTES. */
struct xa_routes {
    struct xa_header header;
    uint32_t count;
    uint32_t reserved;
};

struct xa_range {
    uint32_t first;
    uint32_t count;
};

struct xa_claim {
    struct xa_header header;
    uint32_t ports; /* number of ranges of I/O ports */
    uint32_t msrs;  /* number of ranges of MSRs that the guest's writes and reads of exit with */
    struct xa_range port[XA_MAX_RANGES];
    struct xa_range msr[XA_MAX_RANGES];
};

/* Xen's mask of the unplug port: 1 disks, 2 network interfaces, 4 disks but the first, 8 NVMe. */
struct xa_unplug {
    struct xa_header header;
    uint32_t mask;
    uint32_t reserved;
};

struct xa_kick {
    struct xa_header header;
    uint32_t vcpu;
    uint32_t reserved;
};

/* SHUTDOWN_* of Xen's sched.h. */
struct xa_end {
    struct xa_header header;
    uint32_t reason;
    uint32_t reserved;
};

/* `bytes` follow: a structure, or the text of a refusal. */
struct xa_result {
    struct xa_header header;
    int32_t result; /* 0 or more, or a negated errno */
    uint32_t bytes;
    uint64_t value;
};

/* The turn of an exchange. */
enum xa_turn {
    XA_TURN_VMM = 0,     /* the VMM has the vCPU */
    XA_TURN_SERVICE = 1, /* the service has it */
    XA_TURN_CALL = 2,    /* the VMM's thread carries out `call`, and gives it back */
};

enum xa_event {
    XA_EVENT_EXIT = 1,   /* an exit that is the service's is in kvm_run */
    XA_EVENT_KICKED = 2, /* KVM_RUN has returned EINTR, or was not called, because of `kicked` */
    XA_EVENT_FAULT = 3,  /* KVM_RUN has returned EFAULT: a page that the guest may not write */
};

#define XA_EXCHANGE_BYTES 65536
#define XA_EXCHANGE_DATA 4096 /* offset of the bytes of `call` */

/*
 * One exchange of a vCPU. The one whose turn it is writes; it gives the turn away by a release store to `turn`, a full
 * barrier, and a futex wake if the other sleeps.
 */
struct xa_exchange {
    uint32_t turn; /* futex */
    uint32_t event;
    uint32_t kicked; /* set by the service at any time, cleared by it in its turn */
    uint32_t vmm_sleeps;
    uint32_t service_sleeps;
    uint32_t spin_us; /* how long the VMM's thread polls before it sleeps; set by the service */
    int32_t result;   /* of `call` */
    uint32_t ended;   /* the service has nothing more for the vCPU */
    struct xa_call call;
};

#endif
