package io.xenemu.core.machine;

import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.kvm.attach.AttachConnection;
import io.xenemu.kvm.attach.AttachMessage;
import io.xenemu.kvm.attach.AttachedVm;

/// All that a domain has of a VM that an attached VMM has made.
///
/// @param origin its configuration and its memory
/// @param vm the VM and its vCPUs, none of which runs
/// @param connection to the VMM
/// @param ranges where the memory is
/// @param hasLeaves whether the vCPUs have Xen's CPUID leaves, which cannot change once they have run
public record AttachedDomain(
        DomainOrigin.Attached origin,
        AttachedVm vm,
        AttachConnection connection,
        AttachMessage.Ram ranges,
        boolean hasLeaves) {}
