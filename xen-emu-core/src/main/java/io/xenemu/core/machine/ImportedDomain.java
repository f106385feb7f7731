package io.xenemu.core.machine;

import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.machine.state.KvmState;

/// All that a domain has of a guest that has suspended itself under another hypervisor.
///
/// @param origin memory, and where it is
/// @param kvm its processor
/// @param isNativeTsc whether its time stamp counter runs at each host's own frequency, as with Xen's `tsc_mode` native
public record ImportedDomain(DomainOrigin.Imported origin, KvmState kvm, boolean isNativeTsc) {
    /// @throws IllegalArgumentException if the parts are not of one domain
    public ImportedDomain {
        int vcpus = origin.config().vcpus();
        if (kvm.vcpus().size() != vcpus) {
            throw new IllegalArgumentException(
                    "%d vCPUs, but the state of %d".formatted(vcpus, kvm.vcpus().size()));
        }
    }
}
