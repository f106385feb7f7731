/* The number of ports: ENOSPC at the limit, and all of them free again after a reset. */
#include "event_ops.h"

/* Highest port of the 2-level ABI of this width. */
#define HIGHEST (8 * sizeof(xen_ulong_t) * 8 * sizeof(xen_ulong_t) - 1)

static evtchn_port_t highest, ports;

static long allocate_all(void)
{
    evtchn_port_t port;
    long result;

    highest = ports = 0;
    while ((result = alloc_unbound(DOMID_SELF, 0, &port)) == 0 && ports <= HIGHEST) {
        ports++;
        if (port > highest)
            highest = port;
    }
    return result;
}

/* The command line says max-port=N where the host has been told to give less than the ABI has. */
void check_limits(void)
{
    uint32_t limit = HIGHEST;
    evtchn_port_t port, middle;

    command_line_word("max-port", &limit);
    middle = limit / 2;
    check("limit.alloc_unbound_is_enospc", allocate_all(), -XEN_ENOSPC);
    check("limit.highest_port", highest, limit);
    check("limit.bind_ipi_is_enospc", try_bind_ipi(0), -XEN_ENOSPC);
    check("limit.bind_virq_is_enospc", try_bind_virq(VIRQ_DEBUG, 0), -XEN_ENOSPC);
    check("limit.bind_pirq_is_enospc", bind_pirq(1, &port), -XEN_ENOSPC);
    check("limit.bind_interdomain_is_enospc", bind_interdomain(DOMID_SELF, middle, &port), -XEN_ENOSPC);
    check("limit.unknown_vcpu_is_enoent_all_the_same", try_bind_ipi(77), -XEN_ENOENT);
    check("limit.last_port_has_status", status_word(limit), EVTCHNSTAT_unbound);
    check("limit.port_beyond_is_invalid", status_word(HIGHEST + 1), -XEN_EINVAL);
    evtchn_close(limit);
    alloc_unbound(DOMID_SELF, 0, &port);
    check("limit.last_port_is_given_again", port, limit);
    evtchn_close(middle);
    alloc_unbound(DOMID_SELF, 0, &port);
    check("limit.free_port_in_the_middle_is_given", port, middle);
    check("limit.reset", evtchn_reset(DOMID_SELF), 0);
    check("limit.all_are_enospc_again_after_reset", allocate_all(), -XEN_ENOSPC);
    check("limit.every_port_was_free_after_reset", ports, limit);
    evtchn_reset(DOMID_SELF);
}
