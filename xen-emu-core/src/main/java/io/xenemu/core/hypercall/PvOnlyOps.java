package io.xenemu.core.hypercall;

import java.util.List;

/// Hypercalls that Xen has only for PV guests, or has given up. An HVM guest gets -ENOSYS for any arguments. The
/// numbers that are missing here and elsewhere never had a hypercall on x86.
///
/// Source: Xen's `include/public/xen.h`, `include/hypercall-defs.c`.
final class PvOnlyOps {
    private PvOnlyOps() {}

    static List<HypercallFamily> families() {
        return List.of(
                pvOnly(0, "set_trap_table"),
                pvOnly(1, "mmu_update"),
                pvOnly(2, "set_gdt"),
                pvOnly(3, "stack_switch"),
                pvOnly(4, "set_callbacks"),
                pvOnly(5, "fpu_taskswitch"),
                pvOnly(6, "sched_op_compat"),
                pvOnly(8, "set_debugreg"),
                pvOnly(9, "get_debugreg"),
                pvOnly(10, "update_descriptor"),
                pvOnly(14, "update_va_mapping"),
                pvOnly(16, "event_channel_op_compat"),
                pvOnly(19, "physdev_op_compat"),
                pvOnly(22, "update_va_mapping_otherdomain"),
                pvOnly(23, "iret"),
                pvOnly(25, "set_segment_base"),
                pvOnly(28, "nmi_op"),
                pvOnly(30, "callback_op"),
                pvOnly(31, "xenoprof_op"),
                pvOnly(37, "kexec_op"),
                pvOnly(38, "tmem_op"),
                pvOnly(48, "mca"));
    }

    private static HypercallFamily pvOnly(int number, String name) {
        return HypercallFamily.single(name, number, FixedAnswer.ENOSYS);
    }
}
