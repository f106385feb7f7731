/* event_channel_op: every sub-op of the 2-level ABI with its errors (Xen common/event_channel.c). */
#include "event_ops.h"

static void check_unbound(void)
{
    evtchn_port_t port, again;
    long result;
    struct evtchn_status status;

    check("evtchn.alloc_unbound", alloc_unbound(DOMID_SELF, 0, &port), 0);
    status = status_of(port, &result);
    check("evtchn.status_unbound", result ? result : (long)status.status, EVTCHNSTAT_unbound);
    check("evtchn.status_unbound_remote", status.u.unbound.dom, 0);
    check("evtchn.status_vcpu_is_0", status.vcpu, 0);
    check("evtchn.send_on_unbound_is_dropped", evtchn_send(port), 0);
    check("evtchn.bind_vcpu_of_unbound", bind_vcpu(port, 1), 0);
    status = status_of(port, &result);
    check("evtchn.status_shows_bound_vcpu", status.vcpu, 1);
    check("evtchn.close", evtchn_close(port), 0);
    check("evtchn.status_closed", status_word(port), EVTCHNSTAT_closed);
    check("evtchn.close_of_closed_is_einval", evtchn_close(port), -XEN_EINVAL);
    check("evtchn.send_on_closed_is_einval", evtchn_send(port), -XEN_EINVAL);
    alloc_unbound(DOMID_SELF, 0, &again);
    check("evtchn.lowest_free_port_is_used", again, port);
    status = status_of(again, &result);
    check("evtchn.vcpu_is_0_again_after_close", status.vcpu, 0);
    evtchn_close(again);
    check("evtchn.alloc_unbound_for_unknown_domain_is_esrch", alloc_unbound(0x7000, 0, &port), -XEN_ESRCH);
    check("evtchn.alloc_unbound_for_dom0_is_eperm", alloc_unbound(0, DOMID_SELF, &port), -XEN_EPERM);
    /* Xen does not ask whether the remote domain exists yet. */
    check("evtchn.alloc_unbound_with_absent_remote", alloc_unbound(DOMID_SELF, 77, &port), 0);
    evtchn_close(port);
}

static void check_loopback(void)
{
    evtchn_port_t unbound, local;
    long result;
    struct evtchn_status status;

    alloc_unbound(DOMID_SELF, DOMID_SELF, &unbound);
    port_upcalls[unbound] = 0;
    check("evtchn.bind_interdomain_loopback", bind_interdomain(DOMID_SELF, unbound, &local), 0);
    check_true("evtchn.bind_interdomain_signals_local_port", wait_for_upcalls(local, 1, 1000));
    status = status_of(local, &result);
    check("evtchn.status_interdomain", result ? result : (long)status.status, EVTCHNSTAT_interdomain);
    check("evtchn.status_interdomain_remote_port", status.u.interdomain.port, unbound);
    check("evtchn.send_loopback", evtchn_send(local), 0);
    check_true("evtchn.loopback_arrives_at_other_end", wait_for_upcalls(unbound, 1, 1000));
    check("evtchn.bind_interdomain_to_bound_port_is_einval",
          bind_interdomain(DOMID_SELF, unbound, &(evtchn_port_t){0}), -XEN_EINVAL);
    check("evtchn.close_loopback", evtchn_close(local), 0);
    check("evtchn.other_end_is_unbound_after_close", status_word(unbound), EVTCHNSTAT_unbound);
    evtchn_close(unbound);
    check("evtchn.bind_interdomain_to_closed_port_is_einval",
          bind_interdomain(DOMID_SELF, unbound, &local), -XEN_EINVAL);
    check("evtchn.bind_interdomain_to_unknown_domain_is_esrch", bind_interdomain(0x7000, 1, &local), -XEN_ESRCH);
}

static void check_virq(void)
{
    evtchn_port_t port = bind_virq(VIRQ_DEBUG, 0);
    long result;
    struct evtchn_status status = status_of(port, &result);

    check_true("evtchn.bind_virq", port != 0);
    check("evtchn.status_virq", result ? result : (long)status.status, EVTCHNSTAT_virq);
    check("evtchn.status_virq_number", status.u.virq, VIRQ_DEBUG);
    check("evtchn.bind_virq_twice_is_eexist", try_bind_virq(VIRQ_DEBUG, 0), -XEN_EEXIST);
    check("evtchn.bind_virq_unknown_virq_is_einval", try_bind_virq(NR_VIRQS, 0), -XEN_EINVAL);
    check("evtchn.bind_virq_unknown_vcpu_is_enoent", try_bind_virq(VIRQ_TIMER, 77), -XEN_ENOENT);
    check("evtchn.bind_global_virq_on_vcpu_1_is_einval", try_bind_virq(VIRQ_DOM_EXC, 1), -XEN_EINVAL);
    check("evtchn.bind_vcpu_of_vcpu_virq_is_einval", bind_vcpu(port, 1), -XEN_EINVAL);
    check("evtchn.send_on_virq_is_einval", evtchn_send(port), -XEN_EINVAL);
    check("evtchn.close_virq", evtchn_close(port), 0);
    check_true("evtchn.virq_binds_again_after_close", (port = bind_virq(VIRQ_DEBUG, 0)) != 0);
    evtchn_close(port);
}

static void check_ipi(void)
{
    evtchn_port_t port = bind_ipi(1);
    long result;
    struct evtchn_status status = status_of(port, &result);

    check("evtchn.status_ipi", result ? result : (long)status.status, EVTCHNSTAT_ipi);
    check("evtchn.status_ipi_vcpu", status.vcpu, 1);
    check("evtchn.send_to_other_vcpu", evtchn_send(port), 0);
    check_true("evtchn.ipi_pending_for_other_vcpu",
               test_bit(port, shared_info->evtchn_pending) && shared_info->vcpu_info[1].evtchn_upcall_pending);
    check("evtchn.bind_vcpu_of_ipi_is_einval", bind_vcpu(port, 0), -XEN_EINVAL);
    check("evtchn.close_ipi", evtchn_close(port), 0);
    check_true("evtchn.close_clears_pending", !test_bit(port, shared_info->evtchn_pending));
    check("evtchn.bind_ipi_unknown_vcpu_is_enoent", try_bind_ipi(77), -XEN_ENOENT);
}

static void check_mask(void)
{
    evtchn_port_t port = bind_ipi(0);

    port_upcalls[port] = 0;
    test_and_set_bit(port, shared_info->evtchn_mask);
    evtchn_send(port);
    run_for(20);
    check_true("evtchn.masked_event_stays_pending",
               port_upcalls[port] == 0 && test_bit(port, shared_info->evtchn_pending));
    check("evtchn.unmask", evtchn_unmask(port), 0);
    check_true("evtchn.unmask_clears_mask", !test_bit(port, shared_info->evtchn_mask));
    check_true("evtchn.unmask_delivers_pending", wait_for_upcalls(port, 1, 1000));
    check("evtchn.unmask_of_unmasked", evtchn_unmask(port), 0);
    evtchn_send(port);
    evtchn_send(port);
    check_true("evtchn.two_sends_coalesce", wait_for_upcalls(port, 2, 1000));
    run_for(20);
    check("evtchn.two_sends_coalesce_to_one", port_upcalls[port], 2);
    evtchn_close(port);
    test_and_set_bit(port, shared_info->evtchn_mask);
    check("evtchn.unmask_of_closed", evtchn_unmask(port), 0);
    check_true("evtchn.unmask_of_closed_leaves_mask", test_bit(port, shared_info->evtchn_mask));
    test_and_clear_bit(port, shared_info->evtchn_mask);
    port_upcalls[port] = 0;
}

static void check_bad_ports(void)
{
    /* The port numbers just after the last of the 2-level ABI, and far away. */
    const evtchn_port_t beyond = 8 * sizeof(xen_ulong_t) * 8 * sizeof(xen_ulong_t), far = 0xfffffff0;

    check("evtchn.close_port_0_is_einval", evtchn_close(0), -XEN_EINVAL);
    check("evtchn.close_beyond_last_is_einval", evtchn_close(beyond), -XEN_EINVAL);
    check("evtchn.close_far_port_is_einval", evtchn_close(far), -XEN_EINVAL);
    check("evtchn.send_port_0_is_einval", evtchn_send(0), -XEN_EINVAL);
    check("evtchn.send_far_port_is_einval", evtchn_send(far), -XEN_EINVAL);
    check("evtchn.unmask_far_port_is_einval", evtchn_unmask(far), -XEN_EINVAL);
    check("evtchn.status_far_port_is_einval", status_word(far), -XEN_EINVAL);
    check("evtchn.bind_vcpu_far_port_is_einval", bind_vcpu(far, 0), -XEN_EINVAL);
    check("evtchn.bind_vcpu_unknown_vcpu_is_enoent", bind_vcpu(far, 77), -XEN_ENOENT);
}

static void check_bad_calls(void)
{
    char *absent = map_window(8, 0, WINDOW_ABSENT);
    struct evtchn_status status = {.dom = 0x7000, .port = 1};
    struct evtchn_init_control init = {.control_gfn = 0, .offset = 0, .vcpu = 77};
    struct evtchn_set_priority priority = {.port = (evtchn_port_t)hvm_param(HVM_PARAM_STORE_EVTCHN)};

    check("evtchn.status_unknown_domain_is_esrch", event_channel_op(EVTCHNOP_status, &status), -XEN_ESRCH);
    status.dom = 0;
    check("evtchn.status_of_dom0_is_eperm", event_channel_op(EVTCHNOP_status, &status), -XEN_EPERM);
    /* The port is looked for before the caller's rights. */
    status.port = 0xfffffff0;
    check("evtchn.status_of_invalid_port_of_dom0_is_einval",
          event_channel_op(EVTCHNOP_status, &status), -XEN_EINVAL);
    check("evtchn.alloc_bad_pointer_is_efault", event_channel_op(EVTCHNOP_alloc_unbound, absent), -XEN_EFAULT);
    check("evtchn.send_bad_pointer_is_efault", event_channel_op(EVTCHNOP_send, absent), -XEN_EFAULT);
    check("evtchn.status_bad_pointer_is_efault", event_channel_op(EVTCHNOP_status, absent), -XEN_EFAULT);
    check("evtchn.close_bad_pointer_is_efault", event_channel_op(EVTCHNOP_close, absent), -XEN_EFAULT);
    check("evtchn.unknown_is_enosys", event_channel_op(99, &status), -XEN_ENOSYS);
    /* A host may offer FIFO (Xen: the vCPU is checked first) or not. */
    check_either("evtchn.init_control_unknown_vcpu",
                 event_channel_op(EVTCHNOP_init_control, &init), -XEN_ENOENT, -XEN_ENOSYS);
    check("evtchn.set_priority_in_2_level_is_enosys",
          event_channel_op(EVTCHNOP_set_priority, &priority), -XEN_ENOSYS);
}

void check_event_channels(void)
{
    check_unbound();
    check_loopback();
    check_virq();
    check_ipi();
    check_mask();
    check_bad_ports();
    check_bad_calls();
}

void check_reset(void)
{
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    evtchn_port_t ipi = bind_ipi(0);
    evtchn_port_t store = (evtchn_port_t)hvm_param(HVM_PARAM_STORE_EVTCHN);

    check_true("evtchn.store_port_is_open_before_reset", status_word(store) != EVTCHNSTAT_closed);
    check("evtchn.reset", event_channel_op(EVTCHNOP_reset, &reset), 0);
    check("evtchn.reset_closes_ipi", status_word(ipi), EVTCHNSTAT_closed);
    check("evtchn.reset_closes_store_port", status_word(store), EVTCHNSTAT_closed);
    check_true("evtchn.ports_can_be_bound_after_reset", bind_ipi(0) != 0);
    reset.dom = 0x7000;
    check("evtchn.reset_unknown_domain_is_esrch", event_channel_op(EVTCHNOP_reset, &reset), -XEN_ESRCH);
}
