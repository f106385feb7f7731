/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * For authors of VMMs: how a KVM guest becomes a domain of xen-emu.
 *
 * The VMM makes VM, memory slots and vCPUs as ever, and says so here; it runs each vCPU by xen_attach_run() in place of
 * KVM_RUN. Hypercalls are answered by the service; all other exits come back. The guest's memory is shared. The VM has
 * in-kernel interrupt chips, or at least local APICs (KVM_CREATE_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP).
 *
 * Functions return 0 or more, or a negated errno. Any thread may call them; a vCPU is run by one thread.
 */
#ifndef XEN_ATTACH_H
#define XEN_ATTACH_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

struct xen_attach;

struct xen_attach_options {
    const char *socket;   /* path of the service's attach socket */
    const char *settings; /* lines of name=value, such as "name=web\n"; may be NULL */

    /* A signal whose handler does nothing, and which the threads of vCPUs do not block. */
    int signal;

    /* ioctl(2) of the C library; NULL unless the caller has replaced it. */
    int (*ioctl)(int fd, unsigned long request, ...);

    /* Called on a thread of the library when the guest unplugs its emulated devices. May be NULL. */
    void (*unplug)(void *context, unsigned mask);
    void *context;
};

/* Connects, and tells of a VM. Messages of a refusal go to `message`. */
int xen_attach_open(const struct xen_attach_options *options, int vm, struct xen_attach **attach, char *message,
                    size_t message_bytes);

/*
 * Tells where the guest's memory is; before the first xen_attach_run().
 *
 * fd: a memfd that is sealed against shrinking, as long as all ranges and XEN_ATTACH_SPARE_BYTES, which are a hole at its
 * end. The ranges follow one another in it; the first is at guest address 0, another one may be at 4 GiB. KVM has slots
 * for them, which may leave out parts below 1 MiB.
 */
#define XEN_ATTACH_SPARE_BYTES (64ul << 20)

struct xen_attach_ram {
    uint64_t guest_address, bytes, address, offset;
};

int xen_attach_memory(struct xen_attach *attach, int fd, const struct xen_attach_ram *ranges, unsigned count);

/*
 * Tells of a vCPU; in the order of Xen's numbers. KVM has its CPUID leaves. The service replaces those at 0x40000000 by
 * Xen's.
 */
int xen_attach_vcpu(struct xen_attach *attach, int fd, uint32_t apic_id, struct kvm_run *run, size_t run_bytes);

/* KVM_SET_GSI_ROUTING and KVM_X86_SET_MSR_FILTER: what the VMM wants, with what the service needs beside it. */
int xen_attach_routing(struct xen_attach *attach, const struct kvm_irq_routing *routing);
int xen_attach_msr_filter(struct xen_attach *attach, const struct kvm_msr_filter *filter);

/*
 * KVM_RUN. The first call of all waits until the service has made the domain. When the domain has ended, a vCPU has a
 * KVM_EXIT_SYSTEM_EVENT: KVM_SYSTEM_EVENT_SHUTDOWN, _RESET or _CRASH.
 */
int xen_attach_run(struct xen_attach *attach, int fd);

/* The kvm_run that xen_attach_vcpu() was given. */
struct kvm_run *xen_attach_kvm_run(struct xen_attach *attach, int fd);

/* Tells that the machine has been reset. No vCPU runs; they have the state of a reset. */
int xen_attach_reset(struct xen_attach *attach);

/* Ends the connection, and the domain. No vCPU runs. */
void xen_attach_close(struct xen_attach *attach);

#endif
