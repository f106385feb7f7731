package io.xenemu.kvm.ioctl;

/// The in-kernel interrupt chips (`KVM_IRQCHIP_*` in `asm/kvm.h`).
public enum IrqchipId {
    PIC_MASTER(0),
    PIC_SLAVE(1),
    IOAPIC(2);

    private final int value;

    IrqchipId(int value) {
        this.value = value;
    }

    /// The value in C.
    int value() {
        return value;
    }
}
