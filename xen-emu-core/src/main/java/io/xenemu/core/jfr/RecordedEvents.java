package io.xenemu.core.jfr;

import io.xenemu.core.domain.DomainObserver;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;

/// Turns what happens to one domain beside hypercalls into events. A kind that is off costs its object at most.
///
/// @param domain its id
record RecordedEvents(int domain) implements DomainObserver {
    @Override
    public void exited(VcpuId vcpu, ExitReason reason, long address, int bytes, boolean isWrite) {
        new ExitEvent(domain, vcpu.value(), reason.name(), address, bytes, isWrite).commit();
    }

    @Override
    public void upcall(VcpuId vcpu, int vector) {
        new UpcallEvent(domain, vcpu.value(), vector).commit();
    }

    @Override
    public void storeRequest(String request, String answer) {
        new StoreRequestEvent(domain, request, answer).commit();
    }

    @Override
    public void grantBegun(int ref, int user, boolean isCopy) {
        new GrantUseEvent(domain, ref, user, isCopy ? "copy" : "map").commit();
    }

    @Override
    public void grantEnded(int ref) {
        new GrantUseEvent(domain, ref, -1, "end").commit();
    }

    /// Commands of an operator are in the log.
    @Override
    public void memoryChanged(long bytes, boolean isTarget) {}
}
