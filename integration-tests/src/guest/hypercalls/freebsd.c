/*
 * The calls of a kernel that comes up like FreeBSD's, in its order, in a domain that has made no others: all through the
 * hypercall page, an upcall vector for each vCPU, the timers of all vCPUs stopped from vCPU 0.
 */
#include "check.h"

#include "../runtime/grants.h"

#include <xen/physdev.h>

#define VCPUS 2
#define UPCALL_VECTOR 0x60
#define MILLISECOND 1000000ull
#define STUB_SIZE_SHIFT "5"

/* Without it FreeBSD copies all data of devices. */
#define LEAF4_IOMMU_MAPPINGS (1u << 2)

char *freebsd_hypercall_page;
extern char freebsd_hypercall[];

/* The stub of the number in eax. */
#ifdef __x86_64__
asm("freebsd_hypercall:\n"
    "    shl $" STUB_SIZE_SHIFT ", %rax\n"
    "    add freebsd_hypercall_page, %rax\n"
    "    jmp *%rax\n");
#else
asm("freebsd_hypercall:\n"
    "    shl $" STUB_SIZE_SHIFT ", %eax\n"
    "    add freebsd_hypercall_page, %eax\n"
    "    jmp *%eax\n");
#endif

static void upcall_vector(void)
{
    take_upcall(UPCALL_VECTOR);
    apic_eoi();
}

static void check_page(void)
{
    struct xen_feature_info features = {.submap_idx = 0};
    uint32_t out[4];

    freebsd_hypercall_page = alloc_page();
    cpuid(xen_cpuid_base + 2, 0, out);
    wrmsr(out[1], (unsigned long)freebsd_hypercall_page);
    hypercall_entry = freebsd_hypercall;
    cpuid(xen_cpuid_base + 1, 0, out);
    check("freebsd.version_through_the_page", xen_version(XENVER_version, 0), out[0]);
    check("freebsd.get_features", xen_version(XENVER_get_features, &features), 0);
    check_true("freebsd.has_a_callback_vector", features.submap >> XENFEAT_hvm_callback_vector & 1);
    cpuid(xen_cpuid_base + 4, 0, out);
    check_true("freebsd.grants_are_good_for_dma", out[0] & LEAF4_IOMMU_MAPPINGS);
}

static void check_upcall_vectors(void)
{
    char *page = alloc_page();
    struct vcpu_register_vcpu_info info = {.mfn = (unsigned long)page / PAGE};

    shared_info = alloc_page();
    check("freebsd.map_shared_info", map_shared_info((unsigned long)shared_info / PAGE), 0);
    for (unsigned int word = 0; word < 8 * sizeof(xen_ulong_t); word++)
        shared_info->evtchn_mask[word] = ~(xen_ulong_t)0;
    handle_vector(UPCALL_VECTOR, upcall_vector);
    apic_init();
    vcpu_info = &shared_info->vcpu_info[0];
    for (uint32_t vcpu = 0; vcpu < VCPUS; vcpu++) {
        struct xen_hvm_evtchn_upcall_vector op = {.vcpu = vcpu, .vector = UPCALL_VECTOR};

        check("freebsd.upcall_vector", hvm_op(HVMOP_set_evtchn_upcall_vector, &op), 0);
    }
    /* The callback that says to a toolstack that the guest knows Xen. */
    check("freebsd.callback_1", set_callback(1), 0);
    check("freebsd.register_vcpu_info", vcpu_op(VCPUOP_register_vcpu_info, 0, &info), 0);
    vcpu_info = (void *)page;
}

static void check_timer(void)
{
    struct vcpu_set_singleshot_timer timer = {.flags = VCPU_SSHOTTMR_future};
    evtchn_port_t port;

    /* If one is refused, FreeBSD does not use Xen's timer. */
    for (uint32_t vcpu = 0; vcpu < VCPUS; vcpu++)
        check("freebsd.stop_periodic_timer", vcpu_op(VCPUOP_stop_periodic_timer, vcpu, 0), 0);
    check("freebsd.stop_singleshot_timer", vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0), 0);
    check("freebsd.stop_singleshot_timer_of_other_vcpu_is_einval",
          vcpu_op(VCPUOP_stop_singleshot_timer, 1, 0), -XEN_EINVAL);

    port = bind_virq(VIRQ_TIMER, 0);
    check_true("freebsd.bind_timer", port != 0);
    check("freebsd.unmask_timer", evtchn_unmask(port), 0);
    timer.timeout_abs_ns = now() + 20 * MILLISECOND;
    check("freebsd.set_timer", vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    check_true("freebsd.timer_fires", wait_for_upcalls(port, 1, 2000));
    check("freebsd.timer_comes_by_the_vcpus_vector", last_upcall_vector, UPCALL_VECTOR);
}

static void check_ipi(void)
{
    evtchn_port_t port = bind_ipi(0);

    check("freebsd.unmask_ipi", evtchn_unmask(port), 0);
    check("freebsd.send_ipi", evtchn_send(port), 0);
    check_true("freebsd.ipi_arrives", wait_for_upcalls(port, 1, 1000));
    check_true("freebsd.bind_ipi_of_other_vcpu", bind_ipi(1) != 0);
}

static void check_grant_table(void)
{
    struct gnttab_query_size size = {.dom = DOMID_SELF};
    struct gnttab_set_version version = {.version = 1};

    check("freebsd.query_grant_table", grant_op(GNTTABOP_query_size, &size, 1), 0);
    check("freebsd.grant_table_is_there", size.status, GNTST_okay);
    check("freebsd.set_grant_version", grant_op(GNTTABOP_set_version, &version, 1), 0);
    check("freebsd.map_grant_frame", map_grant_frame(0, (unsigned long)alloc_page() / PAGE), 0);
}

void check_freebsd(void)
{
    check_page();
    check_upcall_vectors();
    check_timer();
    check_ipi();
    check_grant_table();
    /* It has no PIRQs here, and goes on. */
    check("freebsd.pirq_eoi_gmfn_is_enosys",
          hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, 0), -XEN_ENOSYS);
}
