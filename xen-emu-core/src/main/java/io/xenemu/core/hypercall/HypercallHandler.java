package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;

/// One operation of a hypercall: decodes its arguments and calls the module that implements it.
@FunctionalInterface
public interface HypercallHandler {
    /// Serves the hypercall in `call`.
    ///
    /// @return the value for the guest's RAX or EAX, zero or positive
    /// @throws XenError the guest's fault; the dispatcher returns its negated number
    long handle(HypercallContext call) throws XenError;
}
