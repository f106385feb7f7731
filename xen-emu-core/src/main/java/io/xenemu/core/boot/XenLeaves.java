package io.xenemu.core.boot;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;

/// Xen's CPUID leaves at 0x40000000 (Xen public/arch-x86/cpuid.h).
///
/// @param major Xen's major version
/// @param minor Xen's minor version
/// @param tscKhz the guest's TSC frequency; KVM corrects it when the frequency is changed
public record XenLeaves(int major, int minor, int tscKhz) {
    /// The first leaf.
    public static final int BASE = 0x4000_0000;

    /// The MSR to which a guest writes its hypercall page's address.
    public static final int HYPERCALL_MSR = 0x4000_0000;

    private static final int TSC = BASE + 3;
    private static final int LAST = BASE + 5;
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
    private static final int FRACTION_BITS = 32;

    public XenLeaves {
        if (major < 0 || major > 0xffff || minor < 0 || minor > 0xffff) {
            throw new IllegalArgumentException("Xen version " + major + "." + minor);
        }
        if (tscKhz <= 0) {
            throw new IllegalArgumentException("TSC of " + tscKhz + " kHz");
        }
    }

    /// Adds the leaves. TSC mode is 0 ("default"): with "never emulate", Linux would prefer the bare TSC to Xen's
    /// clock. EXT_DEST_ID is not announced, since APIC ids fit into 8 bits.
    void addTo(List<CpuidEntry> leaves, VcpuId vcpu, DomId domain) {
        leaves.add(leaf(BASE, LAST, SIGNATURE_EBX, SIGNATURE_ECX, SIGNATURE_EDX));
        leaves.add(leaf(BASE + 1, major << 16 | minor, 0, 0, 0));
        leaves.add(leaf(BASE + 2, HYPERCALL_PAGES, HYPERCALL_MSR, 0, 0));
        addTsc(leaves);
        int features = IOMMU_MAPPINGS | VCPU_ID_PRESENT | DOMID_PRESENT | UPCALL_VECTOR;
        leaves.add(sub(BASE + 4, 0, features, vcpu.value(), domain.value(), 0));
        leaves.add(leaf(LAST, 0, 0, 0, 0));
    }

    private void addTsc(List<CpuidEntry> leaves) {
        int shift = shift();
        leaves.add(sub(TSC, 0, HOST_TSC_RELIABLE | RDTSCP, 0, tscKhz, 0));
        leaves.add(sub(TSC, 1, 0, 0, multiplier(shift), shift));
        leaves.add(sub(TSC, 2, tscKhz, 0, 0, 0));
    }

    /// The shift with which [#multiplier] has its highest bit set: nanoseconds = (ticks << shift) * multiplier >> 32.
    private int shift() {
        int shift = 0;
        while (nanosPerTickFraction(shift) >= 1L << FRACTION_BITS) {
            shift++;
        }
        while (nanosPerTickFraction(shift) < 1L << (FRACTION_BITS - 1)) {
            shift--;
        }
        return shift;
    }

    private int multiplier(int shift) {
        return (int) nanosPerTickFraction(shift);
    }

    private long nanosPerTickFraction(int shift) {
        return (long) Math.scalb(1_000_000.0 / tscKhz, FRACTION_BITS - shift);
    }

    private static CpuidEntry leaf(int function, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(function, 0, 0, eax, ebx, ecx, edx);
    }

    /// A sub-leaf; others of the leaf read as zero.
    private static CpuidEntry sub(int function, int index, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(function, index, CpuidEntry.SIGNIFICANT_INDEX, eax, ebx, ecx, edx);
    }
}
