package io.xenemu.core.hypercall;

import io.xenemu.kvm.memory.GuestAccessObserver;

/// Sees the hypercalls of one vCPU on that vCPU's thread, and, between [#begin] and [#end], the bytes that they copy in
/// and out. It must not wait. Its work takes the guest's time.
public interface HypercallObserver extends GuestAccessObserver {
    /// A call begins: its registers are as the guest has set them. The calls of a multicall begin and end within it.
    ///
    /// @param op its row of the table
    /// @return false to observe neither the end of this call nor its copies
    boolean begin(HypercallContext call, HypercallOp op);

    /// The call that began last ends. It does not end if the host fails, which ends the domain.
    ///
    /// @param result the result of [HypercallDispatcher#dispatch]
    void end(long result);

    /// Whether a call has begun that has not ended.
    boolean isWithin();
}
