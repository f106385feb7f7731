/* Grant-table calls, one structure at a time. */
#ifndef GRANTS_H
#define GRANTS_H

#include "xen.h"

/* A grant that this domain has mapped. */
struct mapping {
    uint64_t gpa;
    uint64_t bus;
    grant_handle_t handle;
};

/* This domain's id, as CPUID tells it; where it does not, the one that a lone guest has. */
domid_t own_domid(void);

long grant_op(unsigned long command, void *arg, unsigned long count);

/* Shows a frame of the grant table at a page of RAM or of nothing. */
long map_grant_frame(unsigned long index, unsigned long gfn);

/* What a batch would have of it. */
struct gnttab_map_grant_ref map_request(domid_t dom, grant_ref_t ref, uint64_t gpa, uint32_t flags);

/* The next three return the hypercall's result, or if that is 0 the status. */
long map_grant(domid_t dom, grant_ref_t ref, uint64_t gpa, uint32_t flags, struct mapping *mapping);
long unmap_grant(const struct mapping *mapping);
long unmap_handle(grant_handle_t handle, uint64_t gpa, uint64_t bus);

#endif
