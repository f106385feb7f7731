package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;

/// `console_io` (18): Xen's own console. An unprivileged domain may neither read nor write it, except in a debug
/// build of Xen. Like a release build, this refuses before it looks at the command. Linux then falls back to its PV
/// console.
final class ConsoleIoOp {
    private static final FixedAnswer REFUSED = FixedAnswer.refusal(XenError.EPERM);

    private ConsoleIoOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("console_io", 18)
                .op(0, "write", REFUSED)
                .op(1, "read", REFUSED)
                .others(REFUSED);
    }
}
