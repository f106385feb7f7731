/// Xen and domain 0 for the domains of this process: ids, XenStore, domain 0's ends of channels.
///
/// Start at [Hypervisor].
///
/// - The domains: [Hypervisor], [DomainDirectory]; as an operator names them [NamedDomains] and
///   [OperatedDomains]; what carries out an operator's orders ([DomainOrder]) [DomainDriver].
/// - The host: [HostKvm], [HostException], [MemoryAdmission].
/// - Channels of domain 0: [StoreChannel], [ConsoleChannel].
/// - Devices between domains: [DeviceAttachment]. How much memory they are to have: [MemoryTargets].
/// - What happens to domains: [DomainEvents], [DomainEvent]; its readers: [EventBoard].
///
/// Locks: `operated` of [DomainDirectory] is held while a command works on domains, so that none is closed meanwhile.
/// No thread waits for a [DomainDriver] with it held. The monitor of [MemoryAdmission] is a leaf; over that of
/// [MemoryTargets] are only the locks of XenStore and of the domain's memory.
@NullMarked
package io.xenemu.core.hypervisor;

import org.jspecify.annotations.NullMarked;
