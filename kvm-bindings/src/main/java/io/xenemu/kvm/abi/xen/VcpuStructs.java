package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField.Handle;
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

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                RegisterVcpuInfo.STRUCT,
                RegisterRunstateMemoryArea.STRUCT,
                RegisterTimeMemoryArea.STRUCT,
                SetPeriodicTimer.STRUCT,
                SetSingleshotTimer.STRUCT,
                GetPhysid.STRUCT);
    }
}
