#include "grants.h"

#include "cpu.h"
#include "memory.h"

#define CPUID_HVM_LEAF 4
/* XEN_HVM_CPUID_DOMID_PRESENT */
#define DOMID_PRESENT (1u << 4)

domid_t own_domid(void)
{
    uint32_t out[4];

    cpuid(xen_cpuid_base + CPUID_HVM_LEAF, 0, out);
    return out[0] & DOMID_PRESENT ? (domid_t)out[2] : 1;
}

long grant_op(unsigned long command, void *arg, unsigned long count)
{
    return hypercall5(__HYPERVISOR_grant_table_op, command, (unsigned long)arg, count, 0, 0);
}

long map_grant_frame(unsigned long index, unsigned long gfn)
{
    struct xen_add_to_physmap add = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = index, .gpfn = gfn};

    return memory_op(XENMEM_add_to_physmap, &add);
}

struct gnttab_map_grant_ref map_request(domid_t dom, grant_ref_t ref, uint64_t gpa, uint32_t flags)
{
    struct gnttab_map_grant_ref map = {.host_addr = gpa, .flags = flags, .ref = ref, .dom = dom, .status = 99};

    return map;
}

long map_grant(domid_t dom, grant_ref_t ref, uint64_t gpa, uint32_t flags, struct mapping *mapping)
{
    struct gnttab_map_grant_ref map = map_request(dom, ref, gpa, flags);
    long result = grant_op(GNTTABOP_map_grant_ref, &map, 1);

    mapping->gpa = gpa;
    mapping->bus = map.dev_bus_addr;
    mapping->handle = map.handle;
    return result ? result : map.status;
}

long unmap_handle(grant_handle_t handle, uint64_t gpa, uint64_t bus)
{
    struct gnttab_unmap_grant_ref unmap = {.host_addr = gpa, .dev_bus_addr = bus, .handle = handle, .status = 99};
    long result = grant_op(GNTTABOP_unmap_grant_ref, &unmap, 1);

    return result ? result : unmap.status;
}

long unmap_grant(const struct mapping *mapping)
{
    return unmap_handle(mapping->handle, mapping->gpa, 0);
}
