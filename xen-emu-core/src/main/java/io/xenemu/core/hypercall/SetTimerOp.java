package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.GuestWidth;

/// `set_timer_op` (15): the calling vCPU's one-shot timer, in absolute ns of system time; 0 stops it. KVM serves it
/// once VIRQ_TIMER is bound; before that it reaches this, and the deadline is kept until the bind.
final class SetTimerOp {
    private SetTimerOp() {}

    static HypercallFamily family() {
        return HypercallFamily.single("set_timer_op", 15, SetTimerOp::setTimer);
    }

    private static long setTimer(HypercallContext c) {
        // A 32-bit caller passes the 64-bit time in two registers, low half first.
        long deadline = c.width() == GuestWidth.BITS_64 ? c.word(0) : c.word(1) << 32 | c.word(0);
        c.vcpu().timer().setTimeout(deadline);
        return 0;
    }
}
