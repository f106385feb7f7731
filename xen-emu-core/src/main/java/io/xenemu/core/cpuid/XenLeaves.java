package io.xenemu.core.cpuid;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;

/// Xen's CPUID leaves (Xen public/arch-x86/cpuid.h, `cpuid_hypervisor_leaves` in Xen's arch/x86/cpuid.c). They are at
/// 0x40000000, or above the leaves of Hyper-V.
///
/// KVM finds them by their signature. In the time leaf it keeps the multiplier and the shift of sub-leaf 1, and the
/// frequency of sub-leaf 2. There it puts the guest's frequency in place of the host's. The two differ only after a
/// move to another host.
///
/// @param config what the guest is told besides
/// @param major Xen's major version
/// @param minor Xen's minor version
/// @param tsc the counter
/// @param incarnation how often the guest was made, by its boot or a restore: Xen counts from 1
public record XenLeaves(CpuConfig config, int major, int minor, TscInfo tsc, int incarnation) {
    /// The first leaf, and the MSR to which a guest writes its hypercall page's address.
    static final int BASE = 0x4000_0000;

    /// The first leaf above those of Hyper-V.
    static final int BASE_ABOVE_HYPER_V = 0x4000_0100;

    /// The MSR beside those of Hyper-V.
    static final int MSR_ABOVE_HYPER_V = 0x4000_0200;

    private static final int FIRST_OPTIONAL = 2;
    private static final int TSC = 3;
    private static final int HVM = 4;
    private static final int LAST = 5;
    private static final int SIGNATURE_EBX = 0x566e_6558;
    private static final int SIGNATURE_ECX = 0x6558_4d4d;
    private static final int SIGNATURE_EDX = 0x4d4d_566e;
    private static final int HYPERCALL_PAGES = 1;
    private static final int HOST_TSC_RELIABLE = 1 << 1;
    private static final int RDTSCP = 1 << 2;

    /// Grants are valid for DMA: a guest need not copy data for its devices.
    private static final int IOMMU_MAPPINGS = 1 << 2;

    private static final int VCPU_ID_PRESENT = 1 << 3;
    private static final int DOMID_PRESENT = 1 << 4;
    private static final int UPCALL_VECTOR = 1 << 6;

    public XenLeaves {
        if (major < 0 || major > 0xffff || minor < 0 || minor > 0xffff) {
            throw new IllegalArgumentException("Xen version " + major + "." + minor);
        }
    }

    /// The highest leaf, as a distance from the first. Xen keeps an operator's choice between 2 and 5; 0 is none.
    private int last() {
        Integer chosen = config.overrides().maxHypervisorLeaf(config.xenBase());
        return chosen == null || chosen == 0 ? LAST : Math.clamp(chosen, FIRST_OPTIONAL, LAST);
    }

    /// Adds the leaves. Virtualised APIC registers (leaf 4, bits 0 and 1) are not announced, because KVM does not tell
    /// whether it uses them. Nor is EXT_DEST_ID, since APIC ids fit into 8 bits; Xen does not announce it either.
    public void addTo(List<CpuidEntry> leaves, VcpuId vcpu, DomId domain) {
        int base = config.xenBase();
        int last = last();
        leaves.add(leaf(base, base + last, SIGNATURE_EBX, SIGNATURE_ECX, SIGNATURE_EDX));
        leaves.add(leaf(base + 1, major << 16 | minor, 0, 0, 0));
        leaves.add(leaf(base + 2, HYPERCALL_PAGES, config.hypercallMsr(), 0, 0));
        if (last >= TSC) {
            addTsc(leaves, base + TSC);
        }
        if (last >= HVM) {
            int features = IOMMU_MAPPINGS | VCPU_ID_PRESENT | DOMID_PRESENT | UPCALL_VECTOR;
            leaves.add(sub(base + HVM, 0, features, vcpu.value(), domain.value(), 0));
        }
        if (last >= LAST) {
            leaves.add(leaf(base + LAST, 0, 0, 0, 0));
        }
    }

    private void addTsc(List<CpuidEntry> leaves, int function) {
        int flags = (tsc.reliable() ? HOST_TSC_RELIABLE : 0) | (tsc.rdtscp() ? RDTSCP : 0);
        long offset = tsc.offset();
        int high = (int) (offset >>> Integer.SIZE);
        leaves.add(sub(function, 0, flags, tsc.mode().number(), tsc.khz(), incarnation));
        leaves.add(sub(function, 1, (int) offset, high, tsc.multiplier(), tsc.shift()));
        leaves.add(sub(function, 2, tsc.khz(), 0, 0, 0));
    }

    private static CpuidEntry leaf(int function, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(function, 0, 0, eax, ebx, ecx, edx);
    }

    /// A sub-leaf; others of the leaf read as zero.
    private static CpuidEntry sub(int function, int index, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(function, index, CpuidEntry.SIGNIFICANT_INDEX, eax, ebx, ecx, edx);
    }
}
