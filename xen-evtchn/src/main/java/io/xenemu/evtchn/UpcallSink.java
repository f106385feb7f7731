package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;

/// Makes a vCPU notice that its `evtchn_upcall_pending` has just become 1.
@FunctionalInterface
public interface UpcallSink {
    /// Injects the vCPU's upcall vector, or makes the vCPU check the domain's callback again. Called with no lock held,
    /// from any thread, until [EventChannels#destroy] returns. An upcall that cannot be made yet (no vector set, local
    /// APIC still disabled) must be remembered and made later. It is not requested again while `evtchn_upcall_pending`
    /// stays 1.
    ///
    /// An exception ends the vCPU's domain ([EventEnvironment#failed]), not the sender's. The method must not wait:
    /// the sender and the end of the domain would wait too.
    void upcall(VcpuId vcpu);
}
