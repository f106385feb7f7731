/* Calls that Xen does not know or does not allow; vm_assist. */
#include "check.h"

/* The one assist of an HVM guest (xen.h of Xen 4.9 and later). */
#ifndef VMASST_TYPE_runstate_update_flag
#define VMASST_TYPE_runstate_update_flag 5
#endif

static long vm_assist(unsigned long command, unsigned long type)
{
    return hypercall5(__HYPERVISOR_vm_assist, command, type, 0, 0, 0);
}

void check_refusals(void)
{
    check("vm_assist.runstate_update_flag", vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    check("vm_assist.unknown_type_is_einval", vm_assist(VMASST_CMD_enable, 31), -XEN_EINVAL);
    check("vm_assist.unknown_type_of_unknown_command_is_einval", vm_assist(99, 31), -XEN_EINVAL);
    check("vm_assist.unknown_command_is_enosys", vm_assist(99, VMASST_TYPE_runstate_update_flag), -XEN_ENOSYS);

    check("hypercall.unknown_is_enosys", hypercall1(60, 0), -XEN_ENOSYS);
    check("hypercall.far_number_is_enosys", hypercall1(0x7fff0000, 0), -XEN_ENOSYS);
    check("hypercall.pv_only_is_enosys", hypercall1(__HYPERVISOR_set_trap_table, 0), -XEN_ENOSYS);
    check("user_mode.version_is_eperm", user_hypercall(__HYPERVISOR_xen_version, XENVER_version, 0), -XEN_EPERM);
    check("user_mode.pagesize_is_eperm", user_hypercall(__HYPERVISOR_xen_version, XENVER_pagesize, 0), -XEN_EPERM);
    check("user_mode.unknown_is_eperm", user_hypercall(60, 0, 0), -XEN_EPERM);
}
