package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;

/// Makes a vCPU notice that its `evtchn_upcall_pending` has just become 1.
@FunctionalInterface
public interface UpcallSink {
    /// Injects the vCPU's upcall vector, or makes it re-evaluate the domain's callback. Called with no lock held, from any
    /// thread, until [EventChannels#destroy] returns. An upcall that cannot be made yet (no vector set, local APIC still
    /// disabled) has to be remembered and made later: nothing asks again while `evtchn_upcall_pending` stays 1.
    ///
    /// What it throws ends the domain of the vCPU ([EventEnvironment#failed]), and nothing of the sender's. It must not wait:
    /// a sender that waits would, and so would the end of the domain.
    void upcall(VcpuId vcpu);
}
