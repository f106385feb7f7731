package io.xenemu.core.delivery;

/// The callback by which events are announced to a domain (HVM_PARAM_CALLBACK_IRQ, `xen/include/public/hvm/params.h`).
public sealed interface CallbackVia {
    /// No announcement.
    record None() implements CallbackVia {}

    /// A vector, on the vCPU that the event is for.
    record Vector(int vector) implements CallbackVia {}

    /// An interrupt line, only for vCPU 0.
    record Line(int gsi) implements CallbackVia {}

    /// Pins of KVM's I/O APIC. Xen's has 48, the upper ones for PCI devices only.
    int GSIS = 24;

    int TYPE_SHIFT = 56;
    int TYPE_GSI = 0;
    int TYPE_PCI_INTX = 1;
    int TYPE_VECTOR = 2;

    /// Vectors below this belong to exceptions; KVM refuses them.
    int FIRST_VECTOR = 0x10;

    /// Decodes a value of the parameter. As in Xen, any value is accepted; a value without a meaning is [None].
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
