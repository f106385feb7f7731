package io.xenemu.kvm.ioctl;

import static io.xenemu.kvm.ioctl.CTypes.array;
import static io.xenemu.kvm.ioctl.CTypes.bytes;
import static io.xenemu.kvm.ioctl.CTypes.struct;
import static io.xenemu.kvm.ioctl.CTypes.u16;
import static io.xenemu.kvm.ioctl.CTypes.u32;
import static io.xenemu.kvm.ioctl.CTypes.u64;
import static io.xenemu.kvm.ioctl.CTypes.u8;

import com.google.common.collect.ObjectArrays;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;

/// Structures of the vCPU ioctls, `linux/kvm.h` and `asm/kvm.h` on x86-64.
final class VcpuStructs {
    static final StructLayout KVM_REGS =
            struct(
                    "kvm_regs",
                    u64("rax"),
                    u64("rbx"),
                    u64("rcx"),
                    u64("rdx"),
                    u64("rsi"),
                    u64("rdi"),
                    u64("rsp"),
                    u64("rbp"),
                    u64("r8"),
                    u64("r9"),
                    u64("r10"),
                    u64("r11"),
                    u64("r12"),
                    u64("r13"),
                    u64("r14"),
                    u64("r15"),
                    u64("rip"),
                    u64("rflags"));

    static final StructLayout KVM_SEGMENT =
            struct(
                    "kvm_segment",
                    u64("base"),
                    u32("limit"),
                    u16("selector"),
                    u8("type"),
                    u8("present"),
                    u8("dpl"),
                    u8("db"),
                    u8("s"),
                    u8("l"),
                    u8("g"),
                    u8("avl"),
                    u8("unusable"),
                    u8("padding"));

    static final StructLayout KVM_DTABLE =
            struct("kvm_dtable", u64("base"), u16("limit"), array("padding", 3, u16("")));

    static final StructLayout KVM_SREGS =
            systemRegisters("kvm_sregs", array("interrupt_bitmap", 4, u64("")));

    static final StructLayout KVM_SREGS2 =
            systemRegisters("kvm_sregs2", u64("flags"), array("pdptrs", 4, u64("")));

    /// A structure that begins as both do.
    private static StructLayout systemRegisters(String name, MemoryLayout... last) {
        MemoryLayout[] first = {
            segment("cs"),
            segment("ds"),
            segment("es"),
            segment("fs"),
            segment("gs"),
            segment("ss"),
            segment("tr"),
            segment("ldt"),
            KVM_DTABLE.withName("gdt"),
            KVM_DTABLE.withName("idt"),
            u64("cr0"),
            u64("cr2"),
            u64("cr3"),
            u64("cr4"),
            u64("cr8"),
            u64("efer"),
            u64("apic_base")
        };
        return struct(name, ObjectArrays.concat(first, last, MemoryLayout.class));
    }

    static final StructLayout KVM_VCPU_EVENTS =
            struct(
                    "kvm_vcpu_events",
                    struct(
                            "exception",
                            u8("injected"),
                            u8("nr"),
                            u8("has_error_code"),
                            u8("pending"),
                            u32("error_code")),
                    struct("interrupt", u8("injected"), u8("nr"), u8("soft"), u8("shadow")),
                    struct("nmi", u8("injected"), u8("pending"), u8("masked"), u8("pad")),
                    u32("sipi_vector"),
                    u32("flags"),
                    struct(
                            "smi",
                            u8("smm"),
                            u8("pending"),
                            u8("smm_inside_nmi"),
                            u8("latched_init")),
                    struct("triple_fault", u8("pending")),
                    bytes("reserved", 26),
                    u8("exception_has_payload"),
                    u64("exception_payload"));

    static final StructLayout KVM_FPU =
            struct(
                    "kvm_fpu",
                    bytes("fpr", 128),
                    u16("fcw"),
                    u16("fsw"),
                    u8("ftwx"),
                    u8("pad1"),
                    u16("last_opcode"),
                    u64("last_ip"),
                    u64("last_dp"),
                    bytes("xmm", 256),
                    u32("mxcsr"),
                    u32("pad2"));

    static final StructLayout KVM_DEBUGREGS =
            struct(
                    "kvm_debugregs",
                    array("db", 4, u64("")),
                    u64("dr6"),
                    u64("dr7"),
                    u64("flags"),
                    array("reserved", 9, u64("")));

    static final StructLayout KVM_XCR =
            struct("kvm_xcr", u32("xcr"), u32("reserved"), u64("value"));

    static final StructLayout KVM_XCRS =
            struct(
                    "kvm_xcrs",
                    u32("nr_xcrs"),
                    u32("flags"),
                    array("xcrs", 16, KVM_XCR),
                    array("padding", 16, u64("")));

    /// The fixed part; KVM_CAP_XSAVE2 gives the total length.
    static final StructLayout KVM_XSAVE = struct("kvm_xsave", array("region", 1024, u32("")));

    static final StructLayout KVM_LAPIC_STATE = struct("kvm_lapic_state", bytes("regs", 1024));

    static final StructLayout KVM_MP_STATE = struct("kvm_mp_state", u32("mp_state"));

    static final StructLayout KVM_TRANSLATION =
            struct(
                    "kvm_translation",
                    u64("linear_address"),
                    u64("physical_address"),
                    u8("valid"),
                    u8("writeable"),
                    u8("usermode"),
                    bytes("pad", 5));

    static final StructLayout KVM_DEVICE_ATTR =
            struct("kvm_device_attr", u32("flags"), u32("group"), u64("attr"), u64("addr"));

    /// Header of KVM_SET_SIGNAL_MASK's argument; the kernel's `sigset_t` of `len` bytes follows it.
    static final StructLayout KVM_SIGNAL_MASK =
            struct("kvm_signal_mask", u32("len"), bytes("sigset", 0));

    static final StructLayout KVM_CPUID_ENTRY2 =
            struct(
                    "kvm_cpuid_entry2",
                    u32("function"),
                    u32("index"),
                    u32("flags"),
                    u32("eax"),
                    u32("ebx"),
                    u32("ecx"),
                    u32("edx"),
                    array("padding", 3, u32("")));

    /// Header of a CPUID table; the entries follow it.
    static final StructLayout KVM_CPUID2 = header("kvm_cpuid2", "nent", "padding");

    static final StructLayout KVM_MSR_ENTRY =
            struct("kvm_msr_entry", u32("index"), u32("reserved"), u64("data"));

    /// Header of a list of MSR values; the entries follow it.
    static final StructLayout KVM_MSRS = header("kvm_msrs", "nmsrs", "pad");

    /// Header of a list of MSR numbers, 32 bits each, which follow it.
    static final StructLayout KVM_MSR_LIST =
            struct("kvm_msr_list", u32("nmsrs"), array("indices", 0, u32("")));

    private VcpuStructs() {}

    private static MemoryLayout segment(String name) {
        return KVM_SEGMENT.withName(name);
    }

    private static StructLayout header(String name, String count, String padding) {
        return struct(name, u32(count), u32(padding), array("entries", 0, u64("")));
    }
}
