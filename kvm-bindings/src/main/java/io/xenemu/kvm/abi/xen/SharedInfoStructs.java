package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.S32;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestField.U8;
import io.xenemu.kvm.memory.GuestField.Ulong;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// The structures for events, time and runstate that hypervisor and guest share.
///
/// Source: xen/include/public/xen.h, vcpu.h, arch-x86/xen.h.
public final class SharedInfoStructs {
    private SharedInfoStructs() {}

    /// `struct vcpu_time_info`: the pvclock page of a vCPU (32 bytes).
    public static final class VcpuTimeInfo {
        private static final StructBuilder S = GuestStruct.declare("struct vcpu_time_info");

        /// Odd while being written.
        public static final U32 VERSION = S.u32("version");

        public static final U32 PAD0 = S.u32("pad0");
        public static final U64 TSC_TIMESTAMP = S.u64("tsc_timestamp");

        /// Nanoseconds.
        public static final U64 SYSTEM_TIME = S.u64("system_time");

        public static final U32 TSC_TO_SYSTEM_MUL = S.u32("tsc_to_system_mul");

        /// Signed.
        public static final U8 TSC_SHIFT = S.u8("tsc_shift");

        public static final U8 FLAGS = S.u8("flags");
        public static final GuestField.Bytes PAD1 = S.bytes("pad1", 2);

        public static final GuestStruct STRUCT = S.build();

        private VcpuTimeInfo() {}
    }

    /// `struct vcpu_info`: event and time words of a vCPU (64 bytes).
    public static final class VcpuInfo {
        private static final StructBuilder S = GuestStruct.declare("struct vcpu_info");

        public static final U8 EVTCHN_UPCALL_PENDING = S.u8("evtchn_upcall_pending");
        public static final U8 EVTCHN_UPCALL_MASK = S.u8("evtchn_upcall_mask");
        public static final Ulong EVTCHN_PENDING_SEL = S.ulong("evtchn_pending_sel");
        public static final Ulong ARCH_CR2 = S.ulong("arch.cr2");
        public static final GuestField.Array ARCH_PAD =
                S.align(FieldKind.ULONG).array("arch.pad", FieldKind.ULONG, 5, 1);
        public static final U32 TIME_VERSION = S.u32("time.version");
        public static final U32 TIME_PAD0 = S.u32("time.pad0");
        public static final U64 TIME_TSC_TIMESTAMP = S.u64("time.tsc_timestamp");
        public static final U64 TIME_SYSTEM_TIME = S.u64("time.system_time");
        public static final U32 TIME_TSC_TO_SYSTEM_MUL = S.u32("time.tsc_to_system_mul");
        public static final U8 TIME_TSC_SHIFT = S.u8("time.tsc_shift");
        public static final U8 TIME_FLAGS = S.u8("time.flags");
        public static final GuestField.Bytes TIME_PAD1 = S.bytes("time.pad1", 2);

        public static final GuestStruct STRUCT = S.build();

        private VcpuInfo() {}
    }

    /// `struct shared_info`: one page per domain.
    public static final class SharedInfo {
        private static final StructBuilder S = GuestStruct.declare("struct shared_info");

        /// [VcpuInfo] of the first 32 vCPUs.
        public static final GuestField.Bytes VCPU_INFO = S.bytes("vcpu_info", 2048);

        /// One bit per port.
        public static final GuestField.Array EVTCHN_PENDING =
                S.array("evtchn_pending", FieldKind.ULONG, 32, 64);

        public static final GuestField.Array EVTCHN_MASK =
                S.array("evtchn_mask", FieldKind.ULONG, 32, 64);

        /// Odd while being written.
        public static final U32 WC_VERSION = S.u32("wc_version");

        public static final U32 WC_SEC = S.u32("wc_sec");
        public static final U32 WC_NSEC = S.u32("wc_nsec");

        /// Only in the 64-bit layout.
        public static final GuestField.Array WC_SEC_HI_64 =
                S.array("wc_sec_hi", FieldKind.U32, 0, 1);

        public static final Ulong ARCH_MAX_PFN = S.ulong("arch.max_pfn");
        public static final Ulong ARCH_PFN_TO_MFN_FRAME_LIST_LIST =
                S.ulong("arch.pfn_to_mfn_frame_list_list");
        public static final Ulong ARCH_NMI_REASON = S.ulong("arch.nmi_reason");
        public static final Ulong ARCH_P2M_CR3 = S.ulong("arch.p2m_cr3");
        public static final Ulong ARCH_P2M_VADDR = S.ulong("arch.p2m_vaddr");
        public static final Ulong ARCH_P2M_GENERATION = S.ulong("arch.p2m_generation");

        /// Only in the 32-bit layout.
        public static final GuestField.Array WC_SEC_HI_32 =
                S.array("arch.wc_sec_hi", FieldKind.U32, 1, 0);

        /// `wc_sec_hi`, which the two layouts have in different places.
        public static final U32 WC_SEC_HI =
                new U32(WC_SEC_HI_32.offset32(), WC_SEC_HI_64.offset64());

        public static final GuestStruct STRUCT = S.build();

        private SharedInfo() {}
    }

    /// `struct vcpu_runstate_info`: how a vCPU has spent its time.
    public static final class RunstateInfo {
        private static final StructBuilder S = GuestStruct.declare("struct vcpu_runstate_info");

        /// RUNSTATE_*.
        public static final S32 STATE = S.s32("state");

        /// Nanoseconds.
        public static final U64 STATE_ENTRY_TIME = S.u64("state_entry_time");

        /// Nanoseconds per state.
        public static final GuestField.Array TIME = S.array("time", FieldKind.U64, 4);

        public static final GuestStruct STRUCT = S.build();

        private RunstateInfo() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                VcpuTimeInfo.STRUCT, VcpuInfo.STRUCT, SharedInfo.STRUCT, RunstateInfo.STRUCT);
    }
}
