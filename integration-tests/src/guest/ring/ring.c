/*
 * One of two guests of a service that ring each other: each answers a ring with a ring, and counts.
 *
 * Command line:
 *  offer-to=DOMID     allocates a port for that domain and prints "port N"
 *  connect-to=DOMID   binds to that domain's port at-port=N, prints "bind RESULT", and rings first
 *  rings=N            how often each rings the other
 *  without-doorbells  connects before shared_info is mapped: then the service has no doorbell to give to the other's kernel.
 *                     The guest that offers maps it only when it gets input: the other's bind has to be over, of which
 *                     the port's status shows the beginning
 *  moving             vCPU 1 keeps moving the port between the vCPUs, and masks it, while it rings; the guest has two
 *  until-told         after as many rings as asked for prints "ringing" and goes on, until VIRQ_DEBUG says that the other
 *                     guest is gone; then prints what has become of the port
 * Prints "done received=N sent=N nanoseconds=N", and for a port that moved "moves=N at0=N at1=N".
 */
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"
#include "../runtime/xen.h"
#include "secondary.h"

#define CALLBACK_VECTOR 0x30
#define BITS 64
#define VCPUS 2
/* Of the moves, every how manieth waits for a ring that meets a masked port. */
#define MASKED_EVERY 8
#define SENDS_TO_NOBODY 1000

static volatile struct shared_info *shared_info;
static evtchn_port_t port, told_port, wake_port;
static uint32_t rings;
static int first, moving, until_told;
static volatile uint32_t received, sent, received_at[VCPUS], told, failures;

static int test_and_clear_bit(unsigned int bit, volatile void *words)
{
    uint64_t mask = 1ull << bit % 64;

    return (__atomic_fetch_and((volatile uint64_t *)words + bit / 64, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static void set_bit(unsigned int bit, volatile void *words)
{
    __atomic_fetch_or((volatile uint64_t *)words + bit / 64, 1ull << bit % 64, __ATOMIC_SEQ_CST);
}

static int test_bit(unsigned int bit, const volatile void *words)
{
    return __atomic_load_n((const volatile uint64_t *)words + bit / 64, __ATOMIC_SEQ_CST) >> bit % 64 & 1;
}

static void print_value(const char *name, uint64_t value)
{
    print(name);
    print_unsigned(value);
}

static int finished(void)
{
    return until_told ? told != 0 : received >= rings;
}

static void ring(void)
{
    failures += evtchn_send(port) != 0;
    __atomic_fetch_add(&sent, 1, __ATOMIC_SEQ_CST);
}

static void rung(void)
{
    uint32_t count = __atomic_add_fetch(&received, 1, __ATOMIC_SEQ_CST);
    unsigned int vcpu = this_vcpu();

    received_at[vcpu]++;
    /* Who began gets the last ring, and does not answer it. */
    if (until_told || !first || count < rings)
        ring();
    if (until_told && count == rings)
        print("ringing\n");
    if (moving && vcpu == 0)
        evtchn_send(wake_port);
}

static void scan_word(unsigned int word)
{
    uint64_t pending = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];

    for (; pending; pending &= pending - 1) {
        evtchn_port_t at = word * BITS + (unsigned int)__builtin_ctzll(pending);

        if (!test_and_clear_bit(at, shared_info->evtchn_pending))
            continue;
        if (at == port)
            rung();
        else if (at == told_port)
            told = 1;
    }
}

static void upcall(void)
{
    volatile struct vcpu_info *info = &shared_info->vcpu_info[this_vcpu()];
    uint64_t selector;

    info->evtchn_upcall_pending = 0;
    selector = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (; selector; selector &= selector - 1)
        scan_word((unsigned int)__builtin_ctzll(selector));
}

static void take_events(void)
{
    struct xen_hvm_param callback = {.domid = DOMID_SELF,
                                     .index = HVM_PARAM_CALLBACK_IRQ,
                                     .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | CALLBACK_VECTOR};

    shared_info = alloc_page();
    failures += map_shared_info((unsigned long)shared_info / PAGE) != 0;
    handle_vector(CALLBACK_VECTOR, upcall);
    failures += hvm_op(HVMOP_set_param, &callback) != 0;
}

static struct evtchn_status status_of_port(void)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    failures += event_channel_op(EVTCHNOP_status, &status) != 0;
    return status;
}

static void offer(uint32_t remote)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = (domid_t)remote};

    failures += event_channel_op(EVTCHNOP_alloc_unbound, &unbound) != 0;
    port = unbound.port;
    print_value("port ", port);
    print("\n");
    /* The first ring may come at once; it stays pending until the port is known to ring back on. */
    while (status_of_port().status == EVTCHNSTAT_unbound)
        sched_op(SCHEDOP_yield, 0);
}

static int connect(uint32_t remote)
{
    struct evtchn_bind_interdomain bind = {.remote_dom = (domid_t)remote};
    long result;

    command_line_word("at-port", &bind.remote_port);
    result = event_channel_op(EVTCHNOP_bind_interdomain, &bind);
    print("bind ");
    print_signed(result);
    print("\n");
    port = bind.local_port;
    return result == 0;
}

/* Moves the port, and waits until a ring has come to where it is now. */
static void move_to(uint32_t vcpu, int masked)
{
    struct evtchn_bind_vcpu bind = {.port = port, .vcpu = vcpu};
    struct evtchn_unmask unmask = {.port = port};
    uint32_t before = received_at[vcpu];

    failures += event_channel_op(EVTCHNOP_bind_vcpu, &bind) != 0;
    set_bit(port, shared_info->evtchn_mask);
    while (masked && !finished() && !test_bit(port, shared_info->evtchn_pending)) {
        interrupts_on();
        sched_op(SCHEDOP_yield, 0);
        interrupts_off();
    }
    failures += event_channel_op(EVTCHNOP_unmask, &unmask) != 0;
    while (!finished() && received_at[vcpu] == before)
        halt_until_interrupt();
}

static void print_result(uint64_t nanoseconds)
{
    print_value("done received=", received);
    print_value(" sent=", sent);
    print_value(" nanoseconds=", nanoseconds);
    print_value(" failures=", failures);
}

static void __attribute__((noreturn)) end(void)
{
    print("\n");
    guest_shutdown(SHUTDOWN_poweroff);
}

static void mover(void)
{
    uint32_t moves = 0;

    while (!finished()) {
        move_to(moves % VCPUS, moves % MASKED_EVERY == 0);
        moves++;
    }
    /* The other vCPU counts a ring before it answers it. */
    while (!until_told && __atomic_load_n(&sent, __ATOMIC_SEQ_CST) < rings)
        sched_op(SCHEDOP_yield, 0);
    print_result(0);
    print_value(" moves=", moves);
    print_value(" at0=", received_at[0]);
    print_value(" at1=", received_at[1]);
    end();
}

static void start_mover(void)
{
    struct evtchn_bind_ipi ipi = {.vcpu = 1};

    failures += event_channel_op(EVTCHNOP_bind_ipi, &ipi) != 0;
    wake_port = ipi.port;
    start_secondary(mover);
}

/* What has become of the port of a guest whose other end is gone. */
static void look_after_the_end(void)
{
    struct evtchn_status status = status_of_port();
    uint32_t refused = 0;

    told = 0;
    print_value("status ", status.status);
    print_value(" remote ", status.u.unbound.dom);
    for (uint32_t i = 0; i < SENDS_TO_NOBODY; i++)
        refused += evtchn_send(port) != 0;
    print_value(" refused sends ", refused);
    print("\n");
    while (!told)
        halt_until_interrupt();
}

static void ring_until_finished(void)
{
    uint64_t start = pvclock_nanoseconds(&shared_info->vcpu_info[0].time);

    if (first)
        ring();
    while (!finished() || moving)
        halt_until_interrupt();
    print_result(pvclock_nanoseconds(&shared_info->vcpu_info[0].time) - start);
}

void guest_main(void)
{
    struct evtchn_bind_virq virq = {.virq = VIRQ_DEBUG};
    int early = command_line_word("without-doorbells", 0);
    uint32_t remote = 0;

    moving = command_line_word("moving", 0);
    until_told = command_line_word("until-told", 0);
    command_line_word("rings", &rings);
    apic_init();
    if (!early)
        take_events();
    event_channel_op(EVTCHNOP_bind_virq, &virq);
    told_port = virq.port;
    first = command_line_word("connect-to", &remote);
    if (first && !connect(remote))
        return;
    if (command_line_word("offer-to", &remote))
        offer(remote);
    if (early) {
        if (!first)
            read_input();
        take_events();
    }
    if (first)
        /* Not a ring of the other's, but what binding raises. */
        test_and_clear_bit(port, shared_info->evtchn_pending);
    if (moving)
        start_mover();
    ring_until_finished();
    if (until_told) {
        print("\n");
        look_after_the_end();
    }
    end();
}
