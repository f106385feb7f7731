package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.GuestWidth;

/// The registers of a stopped vCPU that decide how its linear addresses are translated. Values must not change
/// between the exit that is being served and the next entry; reading them issues no ioctl.
///
/// Segmentation is left out: every hypercall interface takes linear addresses, as Xen's does.
public interface CpuState {
    /// CR0; PG and WP are used.
    long cr0();

    /// CR3, as the guest wrote it (with PCID or cache bits).
    long cr3();

    /// CR4; PSE, PAE and LA57 are used.
    long cr4();

    /// IA32_EFER; LMA and NXE are used.
    long efer();

    /// True when the hypercall was made in 64-bit mode (EFER.LMA and CS.L), which selects the 64-bit layouts and keeps
    /// all 64 bits of an address. A 32-bit code segment under a 64-bit kernel gives false.
    boolean longMode();

    /// The width that [#longMode()] selects.
    default GuestWidth width() {
        return longMode() ? GuestWidth.BITS_64 : GuestWidth.BITS_32;
    }
}
