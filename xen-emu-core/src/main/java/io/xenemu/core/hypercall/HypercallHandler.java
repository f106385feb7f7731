package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;

/// What one operation of a hypercall does: decode its arguments, call the module that owns the semantics.
@FunctionalInterface
public interface HypercallHandler {
    /// Serves the hypercall in `call`.
    ///
    /// @return the value for the guest's RAX or EAX, zero or positive
    /// @throws XenError the guest's fault; the dispatcher returns its negated number
    long handle(HypercallContext call) throws XenError;
}
