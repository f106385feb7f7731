package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField.Array;
import io.xenemu.kvm.memory.GuestField.Handle;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_vcpu_op`.
///
/// Source: xen/include/public/vcpu.h.
public final class VcpuStructs {
    private VcpuStructs() {}

    /// `struct vcpu_register_vcpu_info`: moves vcpu_info to a page of the guest.
    public static final class RegisterVcpuInfo {
        private static final StructBuilder S =
                GuestStruct.declare("struct vcpu_register_vcpu_info");

        /// A guest frame number for HVM.
        public static final U64 MFN = S.u64("mfn");

        public static final U32 OFFSET = S.u32("offset");
        public static final U32 RSVD = S.u32("rsvd");

        public static final GuestStruct STRUCT = S.build();

        private RegisterVcpuInfo() {}
    }

    /// `struct vcpu_register_runstate_memory_area`: the guest's address for [SharedInfoStructs.RunstateInfo].
    public static final class RegisterRunstateMemoryArea {
        private static final StructBuilder S =
                GuestStruct.declare("struct vcpu_register_runstate_memory_area");

        /// The address as a guest of its own width sets it.
        public static final Handle ADDR_H = S.union(FieldKind.U64).handle("addr.h");

        public static final U64 ADDR_P = S.or().u64("addr.p");

        public static final GuestStruct STRUCT = S.build();

        private RegisterRunstateMemoryArea() {}
    }

    /// `struct vcpu_register_time_memory_area`: the guest's address for a second [SharedInfoStructs.VcpuTimeInfo].
    public static final class RegisterTimeMemoryArea {
        private static final StructBuilder S =
                GuestStruct.declare("struct vcpu_register_time_memory_area");

        /// The address as a guest of its own width sets it.
        public static final Handle ADDR_H = S.union(FieldKind.U64).handle("addr.h");

        public static final U64 ADDR_P = S.or().u64("addr.p");

        public static final GuestStruct STRUCT = S.build();

        private RegisterTimeMemoryArea() {}
    }

    /// `struct vcpu_set_periodic_timer`: the per-vCPU periodic tick.
    public static final class SetPeriodicTimer {
        private static final StructBuilder S =
                GuestStruct.declare("struct vcpu_set_periodic_timer");

        public static final U64 PERIOD_NS = S.u64("period_ns");

        public static final GuestStruct STRUCT = S.build();

        private SetPeriodicTimer() {}
    }

    /// `struct vcpu_set_singleshot_timer`: the per-vCPU one-shot timer.
    public static final class SetSingleshotTimer {
        private static final StructBuilder S =
                GuestStruct.declare("struct vcpu_set_singleshot_timer");

        /// Absolute system time.
        public static final U64 TIMEOUT_ABS_NS = S.u64("timeout_abs_ns");

        public static final U32 FLAGS = S.u32("flags");

        public static final GuestStruct STRUCT = S.build();

        private SetSingleshotTimer() {}
    }

    /// `struct vcpu_get_physid`: OUT: APIC id and ACPI id of the physical CPU.
    public static final class GetPhysid {
        private static final StructBuilder S = GuestStruct.declare("struct vcpu_get_physid");

        public static final U64 PHYS_ID = S.u64("phys_id");

        public static final GuestStruct STRUCT = S.build();

        private GetPhysid() {}
    }

    /// `struct vcpu_hvm_context`: VCPUOP_initialise of an HVM guest, 32-bit or 64-bit by its mode.
    ///
    /// Source: xen/include/public/hvm/hvm_vcpu.h.
    public static final class HvmContext {
        private static final StructBuilder S = GuestStruct.declare("struct vcpu_hvm_context");

        /// 0: the 32-bit registers; 1: the 64-bit ones.
        public static final U32 MODE = S.u32("mode");

        public static final U32 PAD = S.u32("pad");

        public static final U32 X32_EAX = S.union(FieldKind.U64).u32("cpu_regs.x86_32.eax");
        public static final U32 X32_ECX = S.u32("cpu_regs.x86_32.ecx");
        public static final U32 X32_EDX = S.u32("cpu_regs.x86_32.edx");
        public static final U32 X32_EBX = S.u32("cpu_regs.x86_32.ebx");
        public static final U32 X32_ESP = S.u32("cpu_regs.x86_32.esp");
        public static final U32 X32_EBP = S.u32("cpu_regs.x86_32.ebp");
        public static final U32 X32_ESI = S.u32("cpu_regs.x86_32.esi");
        public static final U32 X32_EDI = S.u32("cpu_regs.x86_32.edi");
        public static final U32 X32_EIP = S.u32("cpu_regs.x86_32.eip");
        public static final U32 X32_EFLAGS = S.u32("cpu_regs.x86_32.eflags");
        public static final U32 X32_CR0 = S.u32("cpu_regs.x86_32.cr0");
        public static final U32 X32_CR3 = S.u32("cpu_regs.x86_32.cr3");
        public static final U32 X32_CR4 = S.u32("cpu_regs.x86_32.cr4");
        public static final U32 X32_PAD1 = S.u32("cpu_regs.x86_32.pad1");
        public static final U64 X32_EFER = S.u64("cpu_regs.x86_32.efer");
        public static final U32 X32_CS_BASE = S.u32("cpu_regs.x86_32.cs_base");
        public static final U32 X32_DS_BASE = S.u32("cpu_regs.x86_32.ds_base");
        public static final U32 X32_SS_BASE = S.u32("cpu_regs.x86_32.ss_base");
        public static final U32 X32_ES_BASE = S.u32("cpu_regs.x86_32.es_base");
        public static final U32 X32_TR_BASE = S.u32("cpu_regs.x86_32.tr_base");
        public static final U32 X32_CS_LIMIT = S.u32("cpu_regs.x86_32.cs_limit");
        public static final U32 X32_DS_LIMIT = S.u32("cpu_regs.x86_32.ds_limit");
        public static final U32 X32_SS_LIMIT = S.u32("cpu_regs.x86_32.ss_limit");
        public static final U32 X32_ES_LIMIT = S.u32("cpu_regs.x86_32.es_limit");
        public static final U32 X32_TR_LIMIT = S.u32("cpu_regs.x86_32.tr_limit");
        public static final U16 X32_CS_AR = S.u16("cpu_regs.x86_32.cs_ar");
        public static final U16 X32_DS_AR = S.u16("cpu_regs.x86_32.ds_ar");
        public static final U16 X32_SS_AR = S.u16("cpu_regs.x86_32.ss_ar");
        public static final U16 X32_ES_AR = S.u16("cpu_regs.x86_32.es_ar");
        public static final U16 X32_TR_AR = S.u16("cpu_regs.x86_32.tr_ar");
        public static final Array X32_PAD2 = S.array("cpu_regs.x86_32.pad2", FieldKind.U16, 3);
        public static final U64 X64_RAX = S.or().u64("cpu_regs.x86_64.rax");
        public static final U64 X64_RCX = S.u64("cpu_regs.x86_64.rcx");
        public static final U64 X64_RDX = S.u64("cpu_regs.x86_64.rdx");
        public static final U64 X64_RBX = S.u64("cpu_regs.x86_64.rbx");
        public static final U64 X64_RSP = S.u64("cpu_regs.x86_64.rsp");
        public static final U64 X64_RBP = S.u64("cpu_regs.x86_64.rbp");
        public static final U64 X64_RSI = S.u64("cpu_regs.x86_64.rsi");
        public static final U64 X64_RDI = S.u64("cpu_regs.x86_64.rdi");
        public static final U64 X64_RIP = S.u64("cpu_regs.x86_64.rip");
        public static final U64 X64_RFLAGS = S.u64("cpu_regs.x86_64.rflags");
        public static final U64 X64_CR0 = S.u64("cpu_regs.x86_64.cr0");
        public static final U64 X64_CR3 = S.u64("cpu_regs.x86_64.cr3");
        public static final U64 X64_CR4 = S.u64("cpu_regs.x86_64.cr4");
        public static final U64 X64_EFER = S.u64("cpu_regs.x86_64.efer");

        public static final GuestStruct STRUCT = S.end().build();

        private HvmContext() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                RegisterVcpuInfo.STRUCT,
                RegisterRunstateMemoryArea.STRUCT,
                RegisterTimeMemoryArea.STRUCT,
                SetPeriodicTimer.STRUCT,
                SetSingleshotTimer.STRUCT,
                GetPhysid.STRUCT,
                HvmContext.STRUCT);
    }
}
