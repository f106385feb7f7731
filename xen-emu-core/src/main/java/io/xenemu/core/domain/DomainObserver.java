package io.xenemu.core.domain;

import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;

/// Sees what happens to a domain beside its hypercalls. Any thread calls any method, some with locks held: no method
/// waits or calls back.
public interface DomainObserver {
    /// A vCPU has left the guest, and not for a hypercall.
    ///
    /// @param address the I/O port, guest-physical address or MSR; 0 for exits without one
    /// @param bytes of one access; 0 for exits without one
    /// @param isWrite whether the guest writes
    void exited(VcpuId vcpu, ExitReason reason, long address, int bytes, boolean isWrite);

    /// An event is announced to a vCPU by this process; those that KVM announces are not seen.
    ///
    /// @param vector the vCPU's own upcall vector; 0 if it is told by the domain's callback
    void upcall(VcpuId vcpu, int vector);

    /// The guest's request to XenStore has been served.
    ///
    /// @param request its name, such as `READ`, and its path or first word
    /// @param answer `ok`, or the name of the error
    void storeRequest(String request, String answer);

    /// Another domain, or the service as domain 0, has begun to use a page that this one has granted.
    ///
    /// @param ref the grant reference
    /// @param user id of the domain that uses it
    /// @param isCopy whether for one copy; else for a mapping
    void grantBegun(int ref, int user, boolean isCopy);

    /// Such a use has ended.
    ///
    /// @param ref the grant reference
    void grantEnded(int ref);

    /// The domain may own other memory than before, by an operator's order.
    ///
    /// @param bytes at most
    /// @param isTarget whether the domain owns that much from now on without asking
    void memoryChanged(long bytes, boolean isTarget);
}
