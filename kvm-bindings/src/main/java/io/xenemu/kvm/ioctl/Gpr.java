package io.xenemu.kvm.ioctl;

import java.util.Locale;

/// The general registers with RIP and RFLAGS of `struct kvm_regs`.
public enum Gpr {
    RAX,
    RBX,
    RCX,
    RDX,
    RSI,
    RDI,
    RSP,
    RBP,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    RIP,
    RFLAGS;

    private final long offset =
            CTypes.offset(VcpuStructs.KVM_REGS, name().toLowerCase(Locale.ROOT));

    /// Offset in the structure.
    long offset() {
        return offset;
    }
}
