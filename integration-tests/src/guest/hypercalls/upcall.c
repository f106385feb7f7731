/* Where events arrive: the handler of both upcall vectors, and waiting for it. */
#include "check.h"

#define CALLBACK_VECTOR 0x30
#define VCPU_UPCALL_VECTOR 0x40
#define BITS (8 * sizeof(xen_ulong_t))

struct shared_info *shared_info;
volatile struct vcpu_info *vcpu_info;
volatile unsigned int port_upcalls[4096];
volatile unsigned int upcalls;
volatile uint8_t last_upcall_vector;
void (*take_queued_events)(void);

static void scan_word(unsigned int word)
{
    xen_ulong_t pending = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];

    for (unsigned int bit = 0; bit < BITS; bit++) {
        unsigned int port = word * BITS + bit;

        if ((pending >> bit & 1) && test_and_clear_bit(port, shared_info->evtchn_pending))
            port_upcalls[port]++;
    }
}

void take_upcall(uint8_t vector)
{
    xen_ulong_t selector;

    upcalls++;
    last_upcall_vector = vector;
    vcpu_info->evtchn_upcall_pending = 0;
    selector = __atomic_exchange_n(&vcpu_info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    if (take_queued_events) {
        take_queued_events();
        return;
    }
    for (unsigned int word = 0; word < BITS; word++)
        if (selector >> word & 1)
            scan_word(word);
}

/* The domain-wide vector is level-like and has no EOI. */
static void callback_vector(void)
{
    take_upcall(CALLBACK_VECTOR);
}

/* The per-vCPU vector is an edge interrupt of the local APIC. */
static void vcpu_upcall_vector(void)
{
    take_upcall(VCPU_UPCALL_VECTOR);
    apic_eoi();
}

uint64_t now(void)
{
    return pvclock_nanoseconds(&vcpu_info->time);
}

int wait_for_upcalls(evtchn_port_t port, unsigned int count, unsigned int milliseconds)
{
    uint64_t deadline = now() + milliseconds * 1000000ull;

    interrupts_on();
    while (port_upcalls[port] < count && now() < deadline)
        cpu_relax();
    interrupts_off();
    return port_upcalls[port] >= count;
}

void run_for(unsigned int milliseconds)
{
    wait_for_upcalls(0, 1, milliseconds);
}

evtchn_port_t bind_ipi(uint32_t vcpu)
{
    struct evtchn_bind_ipi bind = {.vcpu = vcpu};

    return event_channel_op(EVTCHNOP_bind_ipi, &bind) == 0 ? bind.port : 0;
}

evtchn_port_t bind_virq(uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq bind = {.virq = virq, .vcpu = vcpu};

    return event_channel_op(EVTCHNOP_bind_virq, &bind) == 0 ? bind.port : 0;
}

long evtchn_close(evtchn_port_t port)
{
    struct evtchn_close close = {.port = port};

    return event_channel_op(EVTCHNOP_close, &close);
}

long evtchn_unmask(evtchn_port_t port)
{
    struct evtchn_unmask unmask = {.port = port};

    return event_channel_op(EVTCHNOP_unmask, &unmask);
}

long set_callback(uint64_t value)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = value};

    return hvm_op(HVMOP_set_param, &param);
}

long set_callback_vector(void)
{
    return set_callback((uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | CALLBACK_VECTOR);
}

static long set_upcall_vector(uint32_t vcpu, uint8_t vector)
{
    struct xen_hvm_evtchn_upcall_vector op = {.vcpu = vcpu, .vector = vector};

    return hvm_op(HVMOP_set_evtchn_upcall_vector, &op);
}

/* An IPI to the vCPU itself must arrive once by the vector in force. */
static void check_self_ipi(const char *sent, const char *arrives, const char *by_vector, uint8_t vector)
{
    evtchn_port_t port = bind_ipi(0);

    check(sent, evtchn_send(port), 0);
    check_true(arrives, wait_for_upcalls(port, 1, 1000) && port_upcalls[port] == 1);
    check(by_vector, last_upcall_vector, vector);
    evtchn_close(port);
    port_upcalls[port] = 0;
}

static void check_while_off(void)
{
    evtchn_port_t port = bind_ipi(0);

    evtchn_send(port);
    check_true("upcall.pending_set_while_interrupts_off",
               vcpu_info->evtchn_upcall_pending && test_bit(port, shared_info->evtchn_pending));
    check_true("upcall.not_taken_while_interrupts_off", port_upcalls[port] == 0);
    check_true("upcall.taken_when_interrupts_on", wait_for_upcalls(port, 1, 1000));
    evtchn_close(port);
    port_upcalls[port] = 0;
}

void check_upcalls(void)
{
    handle_vector(CALLBACK_VECTOR, callback_vector);
    handle_vector(VCPU_UPCALL_VECTOR, vcpu_upcall_vector);
    apic_init();
    for (unsigned int word = 0; word < BITS; word++)
        shared_info->evtchn_mask[word] = 0;

    check("upcall.set_callback_vector", set_callback_vector(), 0);
    check_true("upcall.wallclock_is_set_with_callback", wallclock_is_set());
    check_self_ipi("upcall.callback.send", "upcall.callback.ipi_arrives_once", "upcall.callback.vector",
                   CALLBACK_VECTOR);
    check_while_off();
}

void check_vcpu_vectors(void)
{
    check("upcall.vcpu_vector_0_is_einval", set_upcall_vector(0, 0), -XEN_EINVAL);
    check("upcall.vcpu_vector_below_16_is_einval", set_upcall_vector(0, 15), -XEN_EINVAL);
    check("upcall.vcpu_vector_of_unknown_vcpu_is_enoent", set_upcall_vector(77, VCPU_UPCALL_VECTOR), -XEN_ENOENT);
    check("upcall.vcpu_vector_bad_pointer_is_efault",
          hvm_op(HVMOP_set_evtchn_upcall_vector, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
    check("upcall.vcpu_vector_of_far_vcpu_is_enoent", set_upcall_vector(~0u, VCPU_UPCALL_VECTOR), -XEN_ENOENT);
    run_for(1);
    upcalls = 0;
    check("upcall.set_vcpu_vector", set_upcall_vector(0, VCPU_UPCALL_VECTOR), 0);
    run_for(20);
    check("upcall.new_vcpu_vector_is_raised_once_without_an_event", upcalls, 1);
    check("upcall.new_vcpu_vector_is_the_one_raised", last_upcall_vector, VCPU_UPCALL_VECTOR);
    check("upcall.set_vcpu_vector_of_other_vcpu", set_upcall_vector(1, VCPU_UPCALL_VECTOR), 0);
    check_self_ipi("upcall.vcpu_vector.send", "upcall.vcpu_vector.ipi_arrives_once", "upcall.vcpu_vector.vector",
                   VCPU_UPCALL_VECTOR);
    check("upcall.dummy_callback_1_as_linux_sets_it", set_callback(1), 0);
    check_self_ipi("upcall.dummy_callback.send", "upcall.dummy_callback.ipi_arrives_once",
                   "upcall.dummy_callback.vector", VCPU_UPCALL_VECTOR);
}
