package io.xenemu.core.cpuid;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// A group of Hyper-V's interfaces, by libxl's names, with the bits of Hyper-V's CPUID leaves 3 and 4 that announce it.
///
/// Source: `cpuid_viridian_leaves` in Xen's arch/x86/hvm/viridian/viridian.c, libxl_types.idl.
enum Enlightenment {
    /// MSRs for hypercalls, the vCPU's index, and the local APIC.
    BASE(1 << 4 | 1 << 5 | 1 << 6, 0, 1 << 3 | 1 << 5),
    /// MSRs with the frequencies of TSC and APIC.
    FREQ(1 << 11, 0, 0),
    /// The MSR with the time since the start.
    TIME_REF_COUNT(1 << 1, 0, 0),
    /// A page with which the TSC becomes that time.
    REFERENCE_TSC(1 << 9, 0, 0),
    HCALL_REMOTE_TLB_FLUSH(0, 0, 1 << 2),
    /// A page that saves EOIs; its MSR is one of [#BASE], so KVM always has it.
    APIC_ASSIST(0, 0, 0),
    /// MSRs for what Windows knows about its crash.
    CRASH_CTL(0, 1 << 10, 0),
    /// The synthetic interrupt controller. Xen also announces polling of its sources, which KVM does not have.
    SYNIC(1 << 2, 0, 0),
    STIMER(1 << 3, 0, 0),
    HCALL_IPI(0, 0, 1 << 10),
    /// Sets of more than 64 vCPUs as arguments of hypercalls.
    EX_PROCESSOR_MASKS(0, 0, 1 << 11),
    /// No limit to vCPUs, in leaf 5.
    NO_VP_LIMIT(0, 0, 0),
    /// vCPUs may come.
    CPU_HOTPLUG(0, 1 << 3, 0);

    private final int eax3;
    private final int edx3;
    private final int eax4;

    Enlightenment(int eax3, int edx3, int eax4) {
        this.eax3 = eax3;
        this.edx3 = edx3;
        this.eax4 = eax4;
    }

    /// Its bits in leaf 3, EAX: access to MSRs.
    int msrs() {
        return eax3;
    }

    /// Its bits in leaf 3, EDX.
    int features() {
        return edx3;
    }

    /// Its bits in leaf 4, EAX: what a guest had better use.
    int hints() {
        return eax4;
    }

    /// libxl's name.
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// The group of this name, or null.
    static @Nullable Enlightenment named(String word) {
        for (Enlightenment group : values()) {
            if (group.word().equals(word)) {
                return group;
            }
        }
        return null;
    }
}
