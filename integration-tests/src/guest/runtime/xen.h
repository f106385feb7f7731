/* Xen detection, hypercalls, and what every guest needs of the Xen interface. */
#ifndef XEN_GUEST_H
#define XEN_GUEST_H

#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/features.h>
#include <xen/arch-x86/hvm/start_info.h>

extern uint32_t start_info_gpa;

/* The routine with the vendor's hypercall instruction, or a stub of the hypercall page. */
extern void *hypercall_entry;

/* First Xen CPUID leaf, 0 without Xen. */
extern uint32_t xen_cpuid_base;

void xen_detect(void);

/* A hypercall from CPL 3 (entry.S). */
long user_hypercall(unsigned long number, unsigned long arg1, unsigned long arg2);

static inline long hypercall5(
    unsigned long number, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5)
{
    long result;
#ifdef __x86_64__
    register unsigned long r10 asm("r10") = a4;
    register unsigned long r8 asm("r8") = a5;

    asm volatile("call *%[entry]"
                 : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                 : "a"(number), [entry] "m"(hypercall_entry)
                 : "memory", "cc");
#else
    asm volatile("call *%[entry]"
                 : "=a"(result), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4), "+D"(a5)
                 : "a"(number), [entry] "m"(hypercall_entry)
                 : "memory", "cc");
#endif
    return result;
}

static inline long hypercall1(unsigned long number, unsigned long a1)
{
    return hypercall5(number, a1, 0, 0, 0, 0);
}

static inline long hypercall2(unsigned long number, unsigned long a1, const volatile void *a2)
{
    return hypercall5(number, a1, (unsigned long)a2, 0, 0, 0);
}

static inline long hypercall3(unsigned long number, unsigned long a1, unsigned long a2, const volatile void *a3)
{
    return hypercall5(number, a1, a2, (unsigned long)a3, 0, 0);
}

static inline long xen_version(unsigned long command, void *arg)
{
    return hypercall2(__HYPERVISOR_xen_version, command, arg);
}

static inline long memory_op(unsigned long command, void *arg)
{
    return hypercall2(__HYPERVISOR_memory_op, command, arg);
}

static inline long hvm_op(unsigned long command, void *arg)
{
    return hypercall2(__HYPERVISOR_hvm_op, command, arg);
}

static inline long event_channel_op(unsigned long command, void *arg)
{
    return hypercall2(__HYPERVISOR_event_channel_op, command, arg);
}

static inline long sched_op(unsigned long command, void *arg)
{
    return hypercall2(__HYPERVISOR_sched_op, command, arg);
}

static inline long vcpu_op(unsigned long command, unsigned long vcpu, void *arg)
{
    return hypercall3(__HYPERVISOR_vcpu_op, command, vcpu, arg);
}

/* A parameter of this domain, or all ones when the hypercall fails. */
uint64_t hvm_param(uint32_t index);

/* Notifies through a port; the port's other end sees the event. */
long evtchn_send(evtchn_port_t port);

/* Maps shared_info over a page of RAM or of nothing. */
long map_shared_info(unsigned long gfn);

/* Ends the domain; does not return. */
void guest_shutdown(unsigned int reason) __attribute__((noreturn));

/* Whether the command line has the word; a number after "word=" is stored in *value. */
int command_line_word(const char *word, uint32_t *value);

/* Nanoseconds of a pvclock area, which the hypervisor keeps current. */
uint64_t pvclock_nanoseconds(const volatile struct vcpu_time_info *time);

/* Each guest's own code. */
void guest_main(void);

#endif
