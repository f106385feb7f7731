package io.xenemu.kvm.ioctl;

/// Sets of registers that KVM copies to and from [KvmRun] (`KVM_SYNC_X86_*` in `asm/kvm.h`).
public enum SyncRegs {
    REGS(0),
    SREGS(1),
    EVENTS(2);

    private final int bit;

    SyncRegs(int bit) {
        this.bit = bit;
    }

    static long mask(SyncRegs... sets) {
        long mask = 0;
        for (SyncRegs set : sets) {
            mask |= 1L << set.bit;
        }
        return mask;
    }
}
