package io.xenemu.core.domain;

/// How a domain wants to be told of events (HVM_PARAM_CALLBACK_IRQ, `xen/include/public/hvm/params.h`).
sealed interface CallbackVia {
    /// Not at all.
    record None() implements CallbackVia {}

    /// By a vector, on whichever vCPU the event is for.
    record Vector(int vector) implements CallbackVia {}

    /// By an interrupt line, for vCPU 0 alone.
    record Line(int gsi) implements CallbackVia {}

    /// Pins of KVM's I/O APIC. Xen's has 48, the upper ones for PCI devices only.
    int GSIS = 24;

    int TYPE_SHIFT = 56;
    int TYPE_GSI = 0;
    int TYPE_PCI_INTX = 1;
    int TYPE_VECTOR = 2;

    /// Vectors below belong to exceptions; KVM refuses them.
    int FIRST_VECTOR = 0x10;

    /// What a value of the parameter asks for. As in Xen, any value is taken, and one that means nothing is none.
    static CallbackVia of(long value) {
        int low = (int) (value & 0xff);
        return switch ((int) (value >>> TYPE_SHIFT)) {
            case TYPE_GSI -> line(low);
            case TYPE_PCI_INTX -> line(gsiOf((int) (value >>> 11) & 31, low & 3));
            case TYPE_VECTOR -> low >= FIRST_VECTOR ? new Vector(low) : new None();
            default -> new None();
        };
    }

    private static CallbackVia line(int gsi) {
        return gsi == 0 || gsi >= GSIS ? new None() : new Line(gsi);
    }

    /// Xen's `hvm_pci_intx_gsi`.
    private static int gsiOf(int device, int pin) {
        return (((device << 2) + (device >> 3) + pin) & 31) + 16;
    }
}
