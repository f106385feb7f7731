/*
 * HVM_PARAM_CALLBACK_IRQ that names an interrupt line: a level that follows vCPU 0's evtchn_upcall_pending (Xen
 * arch/x86/hvm/irq.c), through the I/O APIC, as long as no vCPU has an upcall vector of its own.
 */
#include "event_ops.h"

#include "../runtime/ioapic.h"

#define LINE_VECTOR 0x51
#define GSI 5

/* Device 1, INTA: Xen's hvm_pci_intx_gsi makes it GSI 20. */
#define PCI_INTX ((uint64_t)HVM_PARAM_CALLBACK_TYPE_PCI_INTX << 56 | 1 << 11)
#define PCI_GSI 20

static volatile unsigned int interrupts, left_pending;

/* The first `left_pending` interrupts are ended without looking at evtchn_upcall_pending. */
static void line_vector(void)
{
    interrupts++;
    if (left_pending)
        left_pending--;
    else
        take_upcall(LINE_VECTOR);
    apic_eoi();
}

/* Whatever a host has not delivered does not get in the way of the next check. */
static void start_afresh(void)
{
    left_pending = 0;
    take_upcall(0);
    run_for(1);
}

/* Interrupts from here on, and 100 if the port's event arrives. */
static unsigned int interrupts_of(evtchn_port_t port)
{
    interrupts = 0;
    wait_for_upcalls(port, 1, 300);
    run_for(20);
    return interrupts + 100 * port_upcalls[port];
}

static unsigned int interrupts_of_send(evtchn_port_t port)
{
    port_upcalls[port] = 0;
    evtchn_send(port);
    return interrupts_of(port);
}

static void check_level(evtchn_port_t port)
{
    evtchn_port_t other = bind_ipi(1);

    ioapic_unmask(GSI, LINE_VECTOR, TRIGGER_LEVEL);
    check("callback.gsi.level_arrives_once", interrupts_of_send(port), 101);
    check("callback.gsi.level_arrives_again", interrupts_of_send(port), 101);
    left_pending = 2;
    check("callback.gsi.level_repeats_after_eoi_while_pending", interrupts_of_send(port), 103);
    check("callback.gsi.level_once_after_that", interrupts_of_send(port), 101);
    check("callback.gsi.other_vcpus_event_does_not_interrupt", interrupts_of_send(other), 0);
    evtchn_close(other);

    ioapic_mask(GSI);
    check("callback.gsi.masked_pin_does_not_interrupt", interrupts_of_send(port), 0);
    check_true("callback.gsi.event_is_pending_meanwhile", vcpu_info->evtchn_upcall_pending);
    ioapic_unmask(GSI, LINE_VECTOR, TRIGGER_LEVEL);
    check("callback.gsi.level_arrives_when_pin_is_unmasked", interrupts_of(port), 101);
    ioapic_mask(GSI);
    start_afresh();
}

static void check_edge(evtchn_port_t port)
{
    ioapic_unmask(GSI, LINE_VECTOR, TRIGGER_EDGE);
    check("callback.gsi.edge_arrives_once", interrupts_of_send(port), 101);
    check("callback.gsi.edge_arrives_again", interrupts_of_send(port), 101);
    left_pending = 1;
    check("callback.gsi.edge_does_not_repeat_while_pending", interrupts_of_send(port), 1);
    start_afresh();
    check("callback.gsi.edge_arrives_after_that", interrupts_of_send(port), 101);
    ioapic_mask(GSI);
    start_afresh();
}

static void check_timer(void)
{
    evtchn_port_t port = bind_virq(VIRQ_TIMER, 0);
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 5000000};

    ioapic_unmask(GSI, LINE_VECTOR, TRIGGER_LEVEL);
    port_upcalls[port] = 0;
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    check("callback.gsi.timer_arrives", interrupts_of(port), 101);
    ioapic_mask(GSI);
    evtchn_close(port);
    port_upcalls[port] = 0;
    start_afresh();
}

static void check_changes(evtchn_port_t port)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ};

    /* With the pin masked: what the local APIC has accepted stays there. */
    interrupts = port_upcalls[port] = 0;
    evtchn_send(port);
    check("callback.none", set_callback(0), 0);
    ioapic_unmask(GSI, LINE_VECTOR, TRIGGER_LEVEL);
    run_for(20);
    check("callback.none_interrupts_nobody", port_upcalls[port], 0);
    check("callback.line_beyond_last_is_none", set_callback(250), 0);
    check("callback.unknown_type_is_none", set_callback((uint64_t)9 << 56 | LINE_VECTOR), 0);
    run_for(20);
    check("callback.those_interrupt_nobody_either", port_upcalls[port], 0);
    check("callback.line_again_with_event_pending", set_callback(GSI), 0);
    check_true("callback.event_arrives_then", wait_for_upcalls(port, 1, 1000));
    hvm_op(HVMOP_get_param, &param);
    check("callback.value_can_be_read", (int64_t)param.value, GSI);
    ioapic_mask(GSI);
    start_afresh();
}

static void check_pci_intx(evtchn_port_t port)
{
    check("callback.set_pci_intx", set_callback(PCI_INTX), 0);
    ioapic_unmask(PCI_GSI, LINE_VECTOR, TRIGGER_LEVEL);
    check("callback.pci_intx.level_arrives_once", interrupts_of_send(port), 101);
    left_pending = 1;
    check("callback.pci_intx.level_repeats_after_eoi_while_pending", interrupts_of_send(port), 102);
    check("callback.pci_intx.level_arrives_again", interrupts_of_send(port), 101);
    ioapic_mask(PCI_GSI);
}

void check_line_callbacks(void)
{
    evtchn_port_t port;

    handle_vector(LINE_VECTOR, line_vector);
    check("callback.set_gsi", set_callback(GSI), 0);
    /* After the callback, as every guest does: the peer does not deliver to it otherwise. */
    port = bind_ipi(0);
    check_level(port);
    check_edge(port);
    check_timer();
    check_changes(port);
    check_pci_intx(port);
    start_afresh();
    check("callback.back_to_vector", set_callback_vector(), 0);
    port_upcalls[port] = 0;
    evtchn_send(port);
    check_true("callback.vector_arrives_after_lines", wait_for_upcalls(port, 1, 1000));
    evtchn_close(port);
    port_upcalls[port] = 0;
}
