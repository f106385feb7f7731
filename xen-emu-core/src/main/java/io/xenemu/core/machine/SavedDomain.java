package io.xenemu.core.machine;

import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.machine.state.KvmState;

/// All from which a saved domain is made again: Xen's half of its state, its RAM, and KVM's half.
///
/// @param origin Xen's half, and the RAM
/// @param kvm KVM's half
/// @param clock what happens to its clock
public record SavedDomain(DomainOrigin.Saved origin, KvmState kvm, ClockPolicy clock) {
    /// @throws IllegalArgumentException if the halves are not of one domain
    public SavedDomain {
        int vcpus = origin.config().vcpus();
        if (kvm.vcpus().size() != vcpus) {
            throw new IllegalArgumentException(
                    "%d vCPUs, but the state of %d".formatted(vcpus, kvm.vcpus().size()));
        }
    }
}
