/*
 * physdev_op: GSIs as PIRQs, by the guest's choice or the host's, and every refusal (Xen arch/x86/physdev.c and irq.c).
 * A domain may have PIRQs only if XENFEAT_hvm_pirqs says so; without it, what is refused then.
 */
#include "event_ops.h"
#include "pirqs.h"

#include "../runtime/grants.h"

#define BAD_PIRQ 0x10000
#define UNUSED_PIRQ 40
#define NEVER_USED_PIRQ 41

/* Xen: NR_HVM_DOMU_IRQS. */
#define GSIS 48

static int has_pirqs(void)
{
    struct xen_feature_info features = {.submap_idx = 0};

    xen_version(XENVER_get_features, &features);
    return features.submap >> XENFEAT_hvm_pirqs & 1;
}

static void check_refusals_always(void)
{
    char *absent = map_window(8, 0, WINDOW_ABSENT);

    check("physdev.unknown_is_enosys", physdev_op(99, absent), -XEN_ENOSYS);
    /* For PV domains or the hardware domain alone. */
    check("physdev.irq_unmask_notify_is_enosys", physdev_op(PHYSDEVOP_IRQ_UNMASK_NOTIFY, absent), -XEN_ENOSYS);
    check("physdev.set_iopl_is_enosys", physdev_op(PHYSDEVOP_set_iopl, absent), -XEN_ENOSYS);
    check("physdev.apic_read_is_enosys", physdev_op(PHYSDEVOP_apic_read, absent), -XEN_ENOSYS);
    check("physdev.setup_gsi_is_enosys", physdev_op(PHYSDEVOP_setup_gsi, absent), -XEN_ENOSYS);
    check("physdev.pci_device_add_is_enosys", physdev_op(PHYSDEVOP_pci_device_add, absent), -XEN_ENOSYS);
    check("physdev.pirq_eoi_gmfn_is_enosys", physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, absent), -XEN_ENOSYS);
}

/* Up to 4.19 Xen does not know the operations then; from 4.20 on it does not allow two of them. */
static void check_without_pirqs(void)
{
    int pirq = -1;
    uint32_t flags;

    check_either("no_pirqs.map_is_refused",
                 map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &pirq), -XEN_ENOSYS, -XEN_EPERM);
    check_either("no_pirqs.unmap_is_refused", unmap_pirq(DOMID_SELF, 5), -XEN_ENOSYS, -XEN_EPERM);
    check("no_pirqs.eoi_is_enosys", pirq_eoi(5), -XEN_ENOSYS);
    check("no_pirqs.irq_status_query_is_enosys", irq_status_query(5, &flags), -XEN_ENOSYS);
    check("no_pirqs.get_free_pirq_is_enosys", get_free_pirq(MAP_PIRQ_TYPE_GSI, &flags), -XEN_ENOSYS);
}

static void check_other_domains(void)
{
    char *absent = map_window(8, 0, WINDOW_ABSENT);
    int pirq = -1;

    check("physdev.map_unknown_domain_is_esrch", map_pirq(0x7000, MAP_PIRQ_TYPE_GSI, 5, &pirq), -XEN_ESRCH);
    check("physdev.map_for_dom0_is_eperm", map_pirq(0, MAP_PIRQ_TYPE_GSI, 5, &pirq), -XEN_EPERM);
    check("physdev.unmap_unknown_domain_is_esrch", unmap_pirq(0x7000, 5), -XEN_ESRCH);
    check("physdev.unmap_for_dom0_is_eperm", unmap_pirq(0, 5), -XEN_EPERM);
    check("physdev.map_bad_pointer_is_efault", physdev_op(PHYSDEVOP_map_pirq, absent), -XEN_EFAULT);
    check("physdev.unmap_bad_pointer_is_efault", physdev_op(PHYSDEVOP_unmap_pirq, absent), -XEN_EFAULT);
}

static void check_map(void)
{
    int pirq = -1;
    uint32_t flags = 0;

    check("physdev.map_gsi_to_any_pirq", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 17, &pirq), 0);
    check("physdev.first_pirq_is_16", pirq, 16);
    check("physdev.unmap", unmap_pirq(DOMID_SELF, pirq), 0);
    pirq = -1;
    map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 17, &pirq);
    check("physdev.pirq_is_free_after_unmap", pirq, 16);
    pirq = 5;
    check("physdev.map_gsi_to_given_pirq", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &pirq), 0);
    check("physdev.given_pirq_is_given", pirq, 5);
    check("physdev.map_again", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &pirq), 0);
    /* Xen finds nothing wrong with it, and changes nothing. */
    pirq = UNUSED_PIRQ;
    check("physdev.map_mapped_gsi_elsewhere_is_ignored", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &pirq), 0);
    check("physdev.other_pirq_is_not_mapped_then", irq_status_query(UNUSED_PIRQ, &flags), -XEN_EINVAL);
    pirq = 5;
    check("physdev.map_to_mapped_pirq_is_ignored", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 6, &pirq), 0);
    check("physdev.status_of_mapped", irq_status_query(5, &flags), 0);
    check("physdev.mapped_needs_eoi", flags, XENIRQSTAT_needs_eoi);
    check("physdev.eoi_of_mapped", pirq_eoi(5), 0);
    check("physdev.unmap_given", unmap_pirq(DOMID_SELF, 5), 0);
    check("physdev.status_after_unmap_is_einval", irq_status_query(5, &flags), -XEN_EINVAL);
    check("physdev.unmap_of_unmapped", unmap_pirq(DOMID_SELF, 5), 0);
    check("physdev.unmap_of_bad_pirq", unmap_pirq(DOMID_SELF, BAD_PIRQ), 0);
    check("physdev.unmap_of_negative_pirq", unmap_pirq(DOMID_SELF, -1), 0);
    unmap_pirq(DOMID_SELF, 16);
    pirq = -1;
    check("physdev.map_by_own_domid", map_pirq(own_domid(), MAP_PIRQ_TYPE_GSI, 5, &pirq), 0);
    check("physdev.unmap_by_own_domid", unmap_pirq(own_domid(), pirq), 0);
    check("physdev.status_after_unmap_by_own_domid_is_einval", irq_status_query(pirq, &flags), -XEN_EINVAL);
}

static void check_bad_arguments(void)
{
    char *absent = map_window(8, 0, WINDOW_ABSENT);
    int pirq = -1, bad = BAD_PIRQ;
    uint32_t flags;

    check("physdev.map_negative_gsi_is_einval", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, -1, &pirq), -XEN_EINVAL);
    check("physdev.map_gsi_beyond_last_is_einval",
          map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, GSIS, &pirq), -XEN_EINVAL);
    check("physdev.map_far_gsi_is_einval",
          map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 0x7fffffff, &pirq), -XEN_EINVAL);
    check("physdev.map_bad_pirq_is_einval", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &bad), -XEN_EINVAL);
    check("physdev.map_msi_is_einval", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_MSI, 5, &pirq), -XEN_EINVAL);
    check("physdev.map_msi_seg_is_einval", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_MSI_SEG, 5, &pirq), -XEN_EINVAL);
    check("physdev.map_unknown_type_is_einval", map_pirq(DOMID_SELF, 99, 5, &pirq), -XEN_EINVAL);
    check("physdev.eoi_bad_pirq_is_einval", pirq_eoi(BAD_PIRQ), -XEN_EINVAL);
    check("physdev.eoi_negative_pirq_is_einval", pirq_eoi(~0u), -XEN_EINVAL);
    check("physdev.eoi_of_unused_is_einval", pirq_eoi(NEVER_USED_PIRQ), -XEN_EINVAL);
    check("physdev.status_bad_pirq_is_einval", irq_status_query(BAD_PIRQ, &flags), -XEN_EINVAL);
    check("physdev.status_negative_pirq_is_einval", irq_status_query(~0u, &flags), -XEN_EINVAL);
    check("physdev.status_of_unused_is_einval", irq_status_query(NEVER_USED_PIRQ, &flags), -XEN_EINVAL);
    check("physdev.eoi_bad_pointer_is_efault", physdev_op(PHYSDEVOP_eoi, absent), -XEN_EFAULT);
    check("physdev.status_bad_pointer_is_efault", physdev_op(PHYSDEVOP_irq_status_query, absent), -XEN_EFAULT);
    check("physdev.get_free_pirq_bad_pointer_is_efault",
          physdev_op(PHYSDEVOP_get_free_pirq, absent), -XEN_EFAULT);
}

static void check_get_free(void)
{
    uint32_t first = 0, second = 0, other = 0, flags;
    int pirq = -1;

    check("physdev.get_free_pirq_for_gsi", get_free_pirq(MAP_PIRQ_TYPE_GSI, &first), 0);
    check("physdev.lowest_for_gsi", first, 16);
    get_free_pirq(MAP_PIRQ_TYPE_GSI, &second);
    check("physdev.next_for_gsi", second, 17);
    check("physdev.map_avoids_allocated", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &pirq), 0);
    check("physdev.map_gets_next", pirq, 18);
    unmap_pirq(DOMID_SELF, pirq);
    check("physdev.get_free_pirq_for_msi", get_free_pirq(MAP_PIRQ_TYPE_MSI, &first), 0);
    check_true("physdev.msi_is_beyond_gsis", first >= 24 && first < BAD_PIRQ);
    get_free_pirq(MAP_PIRQ_TYPE_MSI, &second);
    check("physdev.highest_first_for_msi", second, first - 1);
    check("physdev.get_free_pirq_of_unknown_type", get_free_pirq(99, &other), 0);
    check("physdev.unknown_type_is_as_msi", other, first - 2);
    check("physdev.status_of_allocated_is_einval", irq_status_query(first, &flags), -XEN_EINVAL);
    check("physdev.eoi_of_allocated", pirq_eoi(first), 0);
    while (get_free_pirq(MAP_PIRQ_TYPE_GSI, &first) == 0)
        cpu_relax();
    check("physdev.get_free_pirq_is_enospc", get_free_pirq(MAP_PIRQ_TYPE_GSI, &first), -XEN_ENOSPC);
    check("physdev.get_free_pirq_for_msi_is_enospc", get_free_pirq(MAP_PIRQ_TYPE_MSI, &first), -XEN_ENOSPC);
    pirq = -1;
    check("physdev.map_any_pirq_is_einval_then", map_pirq(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5, &pirq), -XEN_EINVAL);
}

void check_physdev(void)
{
    check_bound_pirqs();
    check_refusals_always();
    if (!has_pirqs()) {
        check_without_pirqs();
        return;
    }
    check_other_domains();
    check_map();
    check_bad_arguments();
    check_pirq_interrupts();
    check_get_free();
}
