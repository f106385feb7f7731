/* Single event-channel operations, with the results as Xen returns them. */
#ifndef EVENT_OPS_H
#define EVENT_OPS_H

#include "check.h"

static inline struct evtchn_status status_of(evtchn_port_t port, long *result)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    *result = event_channel_op(EVTCHNOP_status, &status);
    return status;
}

/* EVTCHNSTAT_*, or the error. */
static inline int64_t status_word(evtchn_port_t port)
{
    long result;
    struct evtchn_status status = status_of(port, &result);

    return result ? result : (long)status.status;
}

/* The vCPU that the port notifies, or the error. */
static inline int64_t notified_vcpu(evtchn_port_t port)
{
    long result;
    struct evtchn_status status = status_of(port, &result);

    return result ? result : (long)status.vcpu;
}

static inline long alloc_unbound(domid_t dom, domid_t remote, evtchn_port_t *port)
{
    struct evtchn_alloc_unbound alloc = {.dom = dom, .remote_dom = remote};
    long result = event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

    *port = alloc.port;
    return result;
}

static inline long bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
    struct evtchn_bind_interdomain bind = {.remote_dom = remote, .remote_port = remote_port};
    long result = event_channel_op(EVTCHNOP_bind_interdomain, &bind);

    *port = bind.local_port;
    return result;
}

static inline long bind_vcpu(evtchn_port_t port, uint32_t vcpu)
{
    struct evtchn_bind_vcpu bind = {.port = port, .vcpu = vcpu};

    return event_channel_op(EVTCHNOP_bind_vcpu, &bind);
}

static inline long try_bind_virq(uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq bind = {.virq = virq, .vcpu = vcpu};

    return event_channel_op(EVTCHNOP_bind_virq, &bind);
}

static inline long try_bind_ipi(uint32_t vcpu)
{
    struct evtchn_bind_ipi bind = {.vcpu = vcpu};

    return event_channel_op(EVTCHNOP_bind_ipi, &bind);
}

static inline long bind_pirq(uint32_t pirq, evtchn_port_t *port)
{
    struct evtchn_bind_pirq bind = {.pirq = pirq};
    long result = event_channel_op(EVTCHNOP_bind_pirq, &bind);

    *port = bind.port;
    return result;
}

static inline long evtchn_reset(domid_t dom)
{
    struct evtchn_reset reset = {.dom = dom};

    return event_channel_op(EVTCHNOP_reset, &reset);
}

static inline long init_control(uint32_t vcpu, uint64_t gfn, uint32_t offset)
{
    struct evtchn_init_control init = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};
    long result = event_channel_op(EVTCHNOP_init_control, &init);

    return result ? result : init.link_bits;
}

static inline long expand_array(uint64_t gfn)
{
    struct evtchn_expand_array expand = {.array_gfn = gfn};

    return event_channel_op(EVTCHNOP_expand_array, &expand);
}

static inline long set_priority(evtchn_port_t port, uint32_t priority)
{
    struct evtchn_set_priority set = {.port = port, .priority = priority};

    return event_channel_op(EVTCHNOP_set_priority, &set);
}

#endif
