/* Single operations of physdev_op. */
#ifndef PIRQS_H
#define PIRQS_H

#include "check.h"

#include <xen/physdev.h>

static inline long physdev_op(unsigned long command, void *arg)
{
    return hypercall2(__HYPERVISOR_physdev_op, command, arg);
}

static inline long map_pirq(domid_t domid, int type, int index, int *pirq)
{
    struct physdev_map_pirq map = {.domid = domid, .type = type, .index = index, .pirq = *pirq};
    long result = physdev_op(PHYSDEVOP_map_pirq, &map);

    if (result == 0)
        *pirq = map.pirq;
    return result;
}

static inline long unmap_pirq(domid_t domid, int pirq)
{
    struct physdev_unmap_pirq unmap = {.domid = domid, .pirq = pirq};

    return physdev_op(PHYSDEVOP_unmap_pirq, &unmap);
}

static inline long pirq_eoi(uint32_t pirq)
{
    struct physdev_eoi eoi = {.irq = pirq};

    return physdev_op(PHYSDEVOP_eoi, &eoi);
}

static inline long irq_status_query(uint32_t pirq, uint32_t *flags)
{
    struct physdev_irq_status_query query = {.irq = pirq};
    long result = physdev_op(PHYSDEVOP_irq_status_query, &query);

    *flags = query.flags;
    return result;
}

static inline long get_free_pirq(int type, uint32_t *pirq)
{
    struct physdev_get_free_pirq get = {.type = type};
    long result = physdev_op(PHYSDEVOP_get_free_pirq, &get);

    *pirq = get.pirq;
    return result;
}

/* Ports of PIRQs, which need no mapping. */
void check_bound_pirqs(void);

/* The serial port's interrupt as an event, and back. */
void check_pirq_interrupts(void);

#endif
