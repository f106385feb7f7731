/* hvm_op: parameters and who may touch them. */
#include "check.h"

/* params.h has no names for these two any more. */
#define PARAM_PAE_ENABLED 4
#define PARAM_DM_DOMAIN 13

static long param_op(unsigned long command, domid_t domid, uint32_t index, uint64_t value)
{
    struct xen_hvm_param param = {.domid = domid, .index = index, .value = value};

    return hvm_op(command, &param);
}

static void check_get(void)
{
    uint64_t store = hvm_param(HVM_PARAM_STORE_PFN), console = hvm_param(HVM_PARAM_CONSOLE_PFN);
    uint64_t store_port = hvm_param(HVM_PARAM_STORE_EVTCHN), console_port = hvm_param(HVM_PARAM_CONSOLE_EVTCHN);

    check_true("param.store_pfn", store != 0 && store != ~0ull);
    check_true("param.store_evtchn", store_port != 0 && store_port < 4096);
    check_true("param.console_pfn", console != 0 && console != ~0ull && console != store);
    check_true("param.console_evtchn", console_port != 0 && console_port < 4096 && console_port != store_port);
    check("param.get_callback_irq", param_op(HVMOP_get_param, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 0), 0);
    check("param.get_ioreq_pfn_is_eperm", param_op(HVMOP_get_param, DOMID_SELF, HVM_PARAM_IOREQ_PFN, 0), -XEN_EPERM);
    check("param.get_pae_enabled_is_einval",
          param_op(HVMOP_get_param, DOMID_SELF, PARAM_PAE_ENABLED, 0), -XEN_EINVAL);
    check("param.get_dm_domain_is_einval", param_op(HVMOP_get_param, DOMID_SELF, PARAM_DM_DOMAIN, 0), -XEN_EINVAL);
    check("param.get_beyond_last_is_einval",
          param_op(HVMOP_get_param, DOMID_SELF, HVM_NR_PARAMS, 0), -XEN_EINVAL);
    check("param.get_huge_index_is_einval", param_op(HVMOP_get_param, DOMID_SELF, ~0u, 0), -XEN_EINVAL);
    check("param.get_of_unknown_domain_is_esrch",
          param_op(HVMOP_get_param, 0x7000, HVM_PARAM_STORE_PFN, 0), -XEN_ESRCH);
    check("param.get_bad_pointer_is_efault",
          hvm_op(HVMOP_get_param, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
}

/* The one is a view of the other, which has a size too. */
static void check_tss(void)
{
    check("param.set_vm86_tss", param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_VM86_TSS, 0xf000), 0);
    check("param.vm86_tss_is_sized", hvm_param(HVM_PARAM_VM86_TSS_SIZED), 128ull << 32 | 0xf000);
    check("param.set_vm86_tss_sized",
          param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_VM86_TSS_SIZED, 9000ull << 32 | 0xe000), 0);
    check("param.vm86_tss_sized_has_a_greatest_size", hvm_param(HVM_PARAM_VM86_TSS_SIZED), 8329ull << 32 | 0xe000);
    check("param.vm86_tss_is_the_address", hvm_param(HVM_PARAM_VM86_TSS), 0xe000);
    check("param.set_x87_fip_width", param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_X87_FIP_WIDTH, 4), 0);
    check("param.set_x87_fip_width_5_is_einval",
          param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_X87_FIP_WIDTH, 5), -XEN_EINVAL);
    check("param.x87_fip_width_is_kept", hvm_param(HVM_PARAM_X87_FIP_WIDTH), 4);
}

void check_hvm_params(void)
{
    struct xen_hvm_pagetable_dying dying = {.domid = DOMID_SELF};

    check_get();
    check_tss();
    check("param.set_store_pfn_is_eperm", param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_STORE_PFN, 1), -XEN_EPERM);
    check("param.set_console_pfn_is_eperm",
          param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_CONSOLE_PFN, 1), -XEN_EPERM);
    check("param.set_ident_pt_is_eperm", param_op(HVMOP_set_param, DOMID_SELF, HVM_PARAM_IDENT_PT, 1), -XEN_EPERM);
    check("param.set_beyond_last_is_einval",
          param_op(HVMOP_set_param, DOMID_SELF, HVM_NR_PARAMS, 0), -XEN_EINVAL);
    check("param.set_of_unknown_domain_is_esrch",
          param_op(HVMOP_set_param, 0x7000, HVM_PARAM_CALLBACK_IRQ, 0), -XEN_ESRCH);
    check("param.set_bad_pointer_is_efault",
          hvm_op(HVMOP_set_param, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
    /* Xen: -EINVAL for a domain without shadow paging; a host without the operation: -ENOSYS. */
    check_either("hvm_op.pagetable_dying_is_refused",
                 hvm_op(HVMOP_pagetable_dying, &dying), -XEN_EINVAL, -XEN_ENOSYS);
    check("hvm_op.unknown_is_enosys", hvm_op(99, 0), -XEN_ENOSYS);
#ifdef __x86_64__
    check("hvm_op.all_64_bits_count", hvm_op(1ul << 32 | HVMOP_get_param, 0), -XEN_ENOSYS);
#endif
}
