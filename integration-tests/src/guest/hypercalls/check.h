/* One line per check; expected values are real Xen's. */
#ifndef CHECK_H
#define CHECK_H

#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"
#include "../runtime/xen.h"

#include <xen/errno.h>

/* "ok NAME", or "FAIL NAME: got X want Y". */
void check(const char *name, int64_t got, int64_t want);

/* The same where Xen's own versions, or a documented choice of a host, allow two results. */
void check_either(const char *name, int64_t got, int64_t want, int64_t or_else);

/* A condition, for side effects. */
void check_true(const char *name, int condition);

/*
 * Whether the command line has skip=NAME, for a host that does not survive the request; prints "skip NAME" then.
 */
int skipped(const char *name);

/* The last line: "N passed, N failed". */
void check_summary(void);

/* State that later groups use. */
extern struct shared_info *shared_info;
extern volatile struct vcpu_info *vcpu_info;

/* What the upcall handler has seen. */
extern volatile unsigned int port_upcalls[4096];
extern volatile unsigned int upcalls;
extern volatile uint8_t last_upcall_vector;

/* Takes what is pending: what the handlers of upcalls do. */
void take_upcall(uint8_t vector);

/* Called in place of a scan of the 2-level bitmaps. */
extern void (*take_queued_events)(void);

/* HVM_PARAM_CALLBACK_IRQ. */
long set_callback(uint64_t value);
long set_callback_vector(void);

/* Nanoseconds of Xen system time. */
uint64_t now(void);

/* Takes interrupts until port_upcalls[port] reaches `count`, at most `milliseconds`; whether it did. */
int wait_for_upcalls(evtchn_port_t port, unsigned int count, unsigned int milliseconds);

/* Takes interrupts for that long. */
void run_for(unsigned int milliseconds);

/* Whether shared_info has the wall clock where this guest's width has it. */
int wallclock_is_set(void);

/* Whether the times of a runstate add up to when its state was entered. Reads again what KVM writes meanwhile. */
int runstate_adds_up(const volatile struct vcpu_runstate_info *area);

int test_and_set_bit(unsigned int bit, volatile void *words);
int test_and_clear_bit(unsigned int bit, volatile void *words);
int test_bit(unsigned int bit, const volatile void *words);

evtchn_port_t bind_ipi(uint32_t vcpu);
evtchn_port_t bind_virq(uint32_t virq, uint32_t vcpu);
long evtchn_close(evtchn_port_t port);
long evtchn_unmask(evtchn_port_t port);

/* Neither RAM nor a device, nor one of the frames below; identity-mapped. */
#define NOTHING_GPA 0x70000000ul

/* A page frame outside of RAM; one of four. */
unsigned long frame_outside_ram(unsigned int which);

/* The groups, in the order in which they run. */
void check_detection(void);
void check_version(void);
void check_arguments(const char *paging);
void check_shared_info(void);
void check_hvm_params(void);
void check_hypercall_page(void);
void check_upcalls(void);
void check_line_callbacks(void);
void check_vcpu_vectors(void);
void check_event_channels(void);
void check_bindings(void);
void check_physdev(void);
void check_vcpu_ops(void);
void check_areas(void);
void check_timers(void);
void check_sched_ops(void);
void check_grants(void);
void check_grant_limits(void);
void check_memory(void);
void check_xenstore(void);
void check_console(void);
void check_refusals(void);
void check_reset(void);
void check_limits(void);
void check_fifo(void);
/* No checks: the lines of rows.txt, each with the answer to its call. */
void print_rows(void);

/* Instead of all groups. */
void check_freebsd(void);

#endif
