/* Which vCPU a port notifies, the classes of VIRQs, and bindings between ports of the domain itself. */
#include "event_ops.h"

#include <xen/arch-x86/cpuid.h>

#define UNKNOWN_VCPU 77

/* EVTCHNOP_reset_cont, which Xen's header shows to Xen alone. */
#define RESET_CONT 14

/* As Xen's CPUID leaf 4 says; a host may not, and is then believed what it says of a port. */
static domid_t own_domid(void)
{
    uint32_t out[4];
    evtchn_port_t port;
    long result;
    struct evtchn_status status;

    cpuid(xen_cpuid_base + 4, 0, out);
    if (out[0] & XEN_HVM_CPUID_DOMID_PRESENT)
        return (domid_t)out[2];
    alloc_unbound(DOMID_SELF, DOMID_SELF, &port);
    status = status_of(port, &result);
    evtchn_close(port);
    return status.u.unbound.dom;
}

static void forget_events_of_vcpu_1(void)
{
    shared_info->vcpu_info[1].evtchn_upcall_pending = 0;
    shared_info->vcpu_info[1].evtchn_pending_sel = 0;
}

/* The port's event is announced to vCPU 1, which is never started, and not to vCPU 0. */
static int announced_to_vcpu_1(evtchn_port_t port)
{
    xen_ulong_t selector = shared_info->vcpu_info[1].evtchn_pending_sel;

    run_for(10);
    return test_bit(port, shared_info->evtchn_pending) && shared_info->vcpu_info[1].evtchn_upcall_pending
        && (selector >> port / (8 * sizeof(xen_ulong_t)) & 1) && port_upcalls[port] == 0;
}

static void check_interdomain(void)
{
    evtchn_port_t far, near;

    forget_events_of_vcpu_1();
    alloc_unbound(DOMID_SELF, DOMID_SELF, &far);
    check("bind_vcpu.before_connecting", bind_vcpu(far, 1), 0);
    bind_interdomain(DOMID_SELF, far, &near);
    wait_for_upcalls(near, 1, 1000);
    port_upcalls[far] = port_upcalls[near] = 0;
    check("bind_vcpu.is_kept_when_connected", notified_vcpu(far), 1);
    evtchn_send(near);
    check_true("bind_vcpu.event_of_interdomain_arrives_there", announced_to_vcpu_1(far));
    check("bind_vcpu.of_interdomain", bind_vcpu(far, 0), 0);
    test_and_clear_bit(far, shared_info->evtchn_pending);
    evtchn_send(near);
    check_true("bind_vcpu.next_event_arrives_at_vcpu_0", wait_for_upcalls(far, 1, 1000));
    check("bind_vcpu.unknown_vcpu_is_enoent", bind_vcpu(far, UNKNOWN_VCPU), -XEN_ENOENT);
    check("bind_vcpu.failing_changes_nothing", notified_vcpu(far), 0);
    check("bind_vcpu.other_end_is_not_moved", notified_vcpu(near), 0);
    evtchn_close(near);
    evtchn_close(far);
    check("bind_vcpu.of_closed_is_einval", bind_vcpu(far, 1), -XEN_EINVAL);
    port_upcalls[far] = port_upcalls[near] = 0;
    forget_events_of_vcpu_1();
}

static void check_classes(void)
{
    /* XENOPROF and XENPMU belong to a vCPU, as TIMER and DEBUG do; all others, named or not, to the domain. */
    const uint32_t per_vcpu = 1u << VIRQ_TIMER | 1u << VIRQ_DEBUG | 1u << VIRQ_XENOPROF | 1u << VIRQ_XENPMU;
    evtchn_port_t ports[2][NR_VIRQS] = {{0}};
    uint32_t bound[2] = {0, 0}, twice = 0, moved = 0;

    for (uint32_t virq = 0; virq < NR_VIRQS; virq++)
        for (uint32_t vcpu = 0; vcpu < 2; vcpu++) {
            ports[vcpu][virq] = bind_virq(virq, vcpu);
            bound[vcpu] |= (ports[vcpu][virq] != 0) << virq;
        }
    for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
        twice |= (uint32_t)(try_bind_virq(virq, 0) == -XEN_EEXIST) << virq;
        moved |= (uint32_t)(bind_vcpu(ports[0][virq], 1) == 0) << virq;
    }
    check("virq.all_bind_at_vcpu_0", bound[0], (1u << NR_VIRQS) - 1);
    check("virq.those_of_a_vcpu_bind_at_vcpu_1_too", bound[1], per_vcpu);
    check("virq.each_binds_once_per_vcpu", twice, (1u << NR_VIRQS) - 1);
    check("virq.global_ones_can_be_moved", moved, ~per_vcpu & ((1u << NR_VIRQS) - 1));
    check("virq.moved_one_notifies_other_vcpu", notified_vcpu(ports[0][VIRQ_CONSOLE]), 1);
    check("virq.moved_one_is_still_bound_at_vcpu_0", try_bind_virq(VIRQ_CONSOLE, 0), -XEN_EEXIST);
    check("virq.status_of_vcpu_1", notified_vcpu(ports[1][VIRQ_TIMER]), 1);
    check("virq.eexist_per_vcpu", try_bind_virq(VIRQ_TIMER, 1), -XEN_EEXIST);
    for (uint32_t virq = 0; virq < NR_VIRQS; virq++)
        for (uint32_t vcpu = 0; vcpu < 2; vcpu++)
            if (ports[vcpu][virq])
                evtchn_close(ports[vcpu][virq]);
    check_true("virq.moved_one_binds_again_after_close", (ports[0][0] = bind_virq(VIRQ_CONSOLE, 0)) != 0);
    check("virq.bound_again_is_at_vcpu_0", notified_vcpu(ports[0][0]), 0);
    evtchn_close(ports[0][0]);
    check("virq.global_at_unknown_vcpu_is_einval", try_bind_virq(VIRQ_ARCH_7, UNKNOWN_VCPU), -XEN_EINVAL);
    check("virq.number_of_32_bits_is_einval", try_bind_virq(~0u, 0), -XEN_EINVAL);
    check("virq.vcpu_of_32_bits_is_enoent", try_bind_virq(VIRQ_DEBUG, ~0u), -XEN_ENOENT);
    check("ipi.vcpu_of_32_bits_is_enoent", try_bind_ipi(~0u), -XEN_ENOENT);
}

static void check_domids(void)
{
    domid_t self = own_domid();
    evtchn_port_t far, near;
    long result;
    struct evtchn_status status;

    check("domid.alloc_unbound_by_own_number", alloc_unbound(self, self, &far), 0);
    status = status_of(far, &result);
    check("domid.status_of_unbound_names_it", result ? result : status.u.unbound.dom, self);
    check("domid.bind_interdomain_by_own_number", bind_interdomain(self, far, &near), 0);
    status = status_of(near, &result);
    check("domid.status_of_interdomain_names_it", result ? result : status.u.interdomain.dom, self);
    status = (struct evtchn_status){.dom = self, .port = far};
    check("domid.status_by_own_number", event_channel_op(EVTCHNOP_status, &status), 0);
    check("domid.status_of_other_end_has_port", status.u.interdomain.port, near);
    evtchn_close(far);
    status = status_of(near, &result);
    check("domid.other_end_is_for_own_number_after_close", result ? result : status.u.unbound.dom, self);
    check("domid.it_can_be_bound_again", bind_interdomain(DOMID_SELF, near, &far), 0);
    evtchn_close(far);
    evtchn_close(near);

    alloc_unbound(DOMID_SELF, 0, &far);
    check("domid.bind_to_port_for_another_is_einval", bind_interdomain(DOMID_SELF, far, &near), -XEN_EINVAL);
    check("domid.bind_to_port_0_is_einval", bind_interdomain(DOMID_SELF, 0, &near), -XEN_EINVAL);
    check("domid.bind_to_far_port_is_einval", bind_interdomain(DOMID_SELF, 0xfffffff0, &near), -XEN_EINVAL);
    check("domid.failing_takes_no_port", (alloc_unbound(DOMID_SELF, 0, &near), near), far + 1);
    evtchn_close(far);
    evtchn_close(near);
    check("domid.bind_to_far_port_of_dom0_is_einval", bind_interdomain(0, 0xfffffff0, &near), -XEN_EINVAL);
    check("domid.reset_of_dom0_is_eperm", evtchn_reset(0), -XEN_EPERM);
    wait_for_upcalls(0, 1, 5);
    port_upcalls[far] = port_upcalls[near] = 0;
}

static void check_bad_pointers(void)
{
    static const struct {
        const char *name;
        unsigned long command;
    } ops[] = {
        {"bad_pointer.bind_interdomain", EVTCHNOP_bind_interdomain},
        {"bad_pointer.bind_virq", EVTCHNOP_bind_virq},
        {"bad_pointer.bind_pirq", EVTCHNOP_bind_pirq},
        {"bad_pointer.bind_ipi", EVTCHNOP_bind_ipi},
        {"bad_pointer.bind_vcpu", EVTCHNOP_bind_vcpu},
        {"bad_pointer.unmask", EVTCHNOP_unmask},
        {"bad_pointer.reset", EVTCHNOP_reset},
    };
    char *absent = map_window(8, 0, WINDOW_ABSENT);
    struct evtchn_reset reset = {.dom = DOMID_SELF};

    for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        check(ops[i].name, event_channel_op(ops[i].command, absent), -XEN_EFAULT);
    /* Xen: for itself, -EBUSY when there is no reset to go on with; a Xen from before 4.15: -ENOSYS. */
    check_either("evtchn.reset_cont_is_refused", event_channel_op(RESET_CONT, &reset), -XEN_EBUSY, -XEN_ENOSYS);
    check("evtchn.compat_number_is_enosys", hypercall1(__HYPERVISOR_event_channel_op_compat, 0), -XEN_ENOSYS);
    check("physdev.compat_number_is_enosys", hypercall1(__HYPERVISOR_physdev_op_compat, 0), -XEN_ENOSYS);
}

void check_bindings(void)
{
    check_interdomain();
    check_classes();
    check_domids();
    check_bad_pointers();
}
