package io.xenemu.kvm.ioctl;

import java.util.Locale;

/// A segment register with its hidden part, `struct kvm_segment`.
///
/// @param base linear address
/// @param limit in bytes, the last valid offset
/// @param selector 16 bits
/// @param type descriptor type, 4 bits
/// @param present P
/// @param dpl descriptor privilege level
/// @param db D/B: 32-bit default size
/// @param s set for code and data, clear for system segments
/// @param l 64-bit code
/// @param g the limit in the descriptor counts pages
/// @param unusable not loaded
public record Segment(
        long base,
        int limit,
        int selector,
        int type,
        boolean present,
        int dpl,
        boolean db,
        boolean s,
        boolean l,
        boolean g,
        boolean unusable) {

    /// The segment registers of `struct kvm_sregs`.
    public enum Name {
        CS,
        DS,
        ES,
        FS,
        GS,
        SS,
        TR,
        LDT;

        private final long offset =
                CTypes.offset(VcpuStructs.KVM_SREGS, name().toLowerCase(Locale.ROOT));

        /// Offset in that structure.
        long offset() {
            return offset;
        }
    }
}
