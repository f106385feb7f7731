package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;

/// A virtual interrupt number (`VIRQ_*` of Xen's public `xen.h`). Numbers without a name there can be bound like the
/// others; they are never raised.
///
/// @param number 0 to 23
public record Virq(int number) {
    /// The number of VIRQs (`NR_VIRQS`).
    public static final int COUNT = 24;

    /// One-shot and periodic timer, per vCPU (`VIRQ_TIMER`).
    public static final Virq TIMER = new Virq(0);

    /// Request to dump debugging information, per vCPU (`VIRQ_DEBUG`).
    public static final Virq DEBUG = new Virq(1);

    /// Bytes received on the emergency console, global (`VIRQ_CONSOLE`).
    public static final Virq CONSOLE = new Virq(2);

    /// A domain ended or its state changed; for the control domain, global (`VIRQ_DOM_EXC`).
    public static final Virq DOM_EXC = new Virq(3);

    /// The first of the eight architecture-specific VIRQs, all global on x86 (`VIRQ_ARCH_0`).
    public static final Virq ARCH_0 = new Virq(16);

    private static final int XENOPROF = 7;
    private static final int XENPMU = 13;

    private static final Virq[] ALL = new Virq[COUNT];

    static {
        for (int i = 0; i < COUNT; i++) {
            ALL[i] = new Virq(i);
        }
        for (Virq named : new Virq[] {TIMER, DEBUG, CONSOLE, DOM_EXC, ARCH_0}) {
            ALL[named.number] = named;
        }
    }

    public Virq {
        if (number < 0 || number >= COUNT) {
            throw new IllegalArgumentException("VIRQ out of range: " + number);
        }
    }

    /// The VIRQ that a guest named.
    ///
    /// @param number the 32 bits of the hypercall's argument
    /// @throws XenError `EINVAL` unless 0 to 23
    public static Virq of(int number) throws XenError {
        if (number < 0 || number >= COUNT) {
            throw XenError.EINVAL;
        }
        return ALL[number];
    }

    /// Whether the VIRQ belongs to the domain as a whole: bound on vCPU 0, movable with bind_vcpu. The others belong
    /// to one vCPU for good. On x86 all of `VIRQ_ARCH_*` are global.
    public boolean isGlobal() {
        return switch (number) {
            case 0, 1, XENOPROF, XENPMU -> false;
            default -> true;
        };
    }
}
