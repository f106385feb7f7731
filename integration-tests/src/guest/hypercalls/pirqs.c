/* EVTCHNOP_bind_pirq, and a device's interrupt that arrives as an event while its PIRQ has a port. */
#include "event_ops.h"
#include "pirqs.h"

#include "../runtime/ioapic.h"

#define SERIAL_VECTOR 0x50
#define PIRQ 30

static volatile unsigned int serial_interrupts;

void check_bound_pirqs(void)
{
    evtchn_port_t port, other;
    long result;
    struct evtchn_status status;

    check("pirq.bind", bind_pirq(PIRQ, &port), 0);
    status = status_of(port, &result);
    check("pirq.status", result ? result : (long)status.status, EVTCHNSTAT_pirq);
    check("pirq.status_has_number", status.u.pirq, PIRQ);
    check("pirq.is_at_vcpu_0", status.vcpu, 0);
    check("pirq.bind_twice_is_eexist", bind_pirq(PIRQ, &other), -XEN_EEXIST);
    check("pirq.bind_bad_pirq_is_einval", bind_pirq(0x10000, &other), -XEN_EINVAL);
    check("pirq.bind_negative_pirq_is_einval", bind_pirq(~0u, &other), -XEN_EINVAL);
    check("pirq.bind_vcpu", bind_vcpu(port, 1), 0);
    check("pirq.status_shows_vcpu", notified_vcpu(port), 1);
    check("pirq.bind_vcpu_unknown_is_enoent", bind_vcpu(port, 77), -XEN_ENOENT);
    check("pirq.send_is_einval", evtchn_send(port), -XEN_EINVAL);
    check("pirq.close", evtchn_close(port), 0);
    check("pirq.binds_again_after_close", bind_pirq(PIRQ, &port), 0);
    check("pirq.bound_again_is_at_vcpu_0", notified_vcpu(port), 0);
    evtchn_close(port);
}

static void serial_vector(void)
{
    serial_interrupts++;
    apic_eoi();
}

/* What has arrived of one interrupt of the serial port: events on `port`, and 100 for each one of the I/O APIC. */
static unsigned int arrivals(evtchn_port_t port)
{
    port_upcalls[port] = 0;
    serial_interrupts = 0;
    serial_raise();
    run_for(20);
    return port_upcalls[port] + 100 * serial_interrupts;
}

static void check_other_vcpu(evtchn_port_t port)
{
    shared_info->vcpu_info[1].evtchn_upcall_pending = 0;
    shared_info->vcpu_info[1].evtchn_pending_sel = 0;
    bind_vcpu(port, 1);
    check("pirq.moved_does_not_interrupt_vcpu_0", arrivals(port), 0);
    check_true("pirq.moved_arrives_at_vcpu_1",
               test_bit(port, shared_info->evtchn_pending) && shared_info->vcpu_info[1].evtchn_upcall_pending
                   && (shared_info->vcpu_info[1].evtchn_pending_sel >> port / (8 * sizeof(xen_ulong_t)) & 1));
    serial_acknowledge();
    test_and_clear_bit(port, shared_info->evtchn_pending);
    bind_vcpu(port, 0);
}

static void check_masked(evtchn_port_t port)
{
    test_and_set_bit(port, shared_info->evtchn_mask);
    check("pirq.masked_does_not_interrupt", arrivals(port), 0);
    check_true("pirq.masked_is_pending", test_bit(port, shared_info->evtchn_pending));
    evtchn_unmask(port);
    check_true("pirq.arrives_when_unmasked", wait_for_upcalls(port, 1, 1000));
    serial_acknowledge();
}

void check_pirq_interrupts(void)
{
    evtchn_port_t port;
    int pirq = SERIAL_GSI;

    handle_vector(SERIAL_VECTOR, serial_vector);
    ioapic_unmask(SERIAL_GSI, SERIAL_VECTOR, TRIGGER_EDGE);
    check("pirq.serial_interrupts_by_io_apic_at_first", arrivals(0), 100);
    serial_acknowledge();
    map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, SERIAL_GSI, &pirq);
    check("pirq.by_io_apic_when_just_mapped", arrivals(0), 100);
    serial_acknowledge();
    bind_pirq((uint32_t)pirq, &port);
    check("pirq.arrives_as_event", arrivals(port), 1);
    check("pirq.eoi_with_line_up", pirq_eoi((uint32_t)pirq), 0);
    run_for(20);
    check("pirq.isa_interrupt_is_edge_triggered", port_upcalls[port], 1);
    serial_acknowledge();
    check("pirq.next_one_arrives", arrivals(port), 1);
    serial_acknowledge();
    check_masked(port);
    check_other_vcpu(port);
    evtchn_close(port);
    check("pirq.by_io_apic_after_close", arrivals(port), 100);
    serial_acknowledge();
    bind_pirq((uint32_t)pirq, &port);
    check("pirq.as_event_after_bound_again", arrivals(port), 1);
    serial_acknowledge();
    unmap_pirq(DOMID_SELF, pirq);
    check("pirq.by_io_apic_after_unmap", arrivals(port), 100);
    check("pirq.port_stays_bound_after_unmap", status_word(port), EVTCHNSTAT_pirq);
    serial_acknowledge();
    evtchn_close(port);
    ioapic_mask(SERIAL_GSI);
    serial_quiet();
    port_upcalls[port] = 0;
}
