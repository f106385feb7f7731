package io.xenemu.core.trace;

import io.xenemu.core.domain.DomainObserver;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import org.jspecify.annotations.Nullable;

/// Two observers of one domain.
record DomainObserverPair(DomainObserver first, DomainObserver second) implements DomainObserver {
    /// An observer for both; null if there is none.
    static @Nullable DomainObserver of(
            @Nullable DomainObserver first, @Nullable DomainObserver second) {
        if (first == null) {
            return second;
        }
        return second == null ? first : new DomainObserverPair(first, second);
    }

    @Override
    public void exited(VcpuId vcpu, ExitReason reason, long address, int bytes, boolean isWrite) {
        first.exited(vcpu, reason, address, bytes, isWrite);
        second.exited(vcpu, reason, address, bytes, isWrite);
    }

    @Override
    public void upcall(VcpuId vcpu, int vector) {
        first.upcall(vcpu, vector);
        second.upcall(vcpu, vector);
    }

    @Override
    public void storeRequest(String request, String answer) {
        first.storeRequest(request, answer);
        second.storeRequest(request, answer);
    }

    @Override
    public void grantBegun(int ref, int user, boolean isCopy) {
        first.grantBegun(ref, user, isCopy);
        second.grantBegun(ref, user, isCopy);
    }

    @Override
    public void grantEnded(int ref) {
        first.grantEnded(ref);
        second.grantEnded(ref);
    }

    @Override
    public void memoryChanged(long bytes, boolean isTarget) {
        first.memoryChanged(bytes, isTarget);
        second.memoryChanged(bytes, isTarget);
    }
}
