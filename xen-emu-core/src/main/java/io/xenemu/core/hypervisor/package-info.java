/// Xen and domain 0 for the domains of this process: ids, XenStore, domain 0's ends of channels.
///
/// Start at [Hypervisor].
///
/// - The domains: [Hypervisor], [DomainDirectory], [DomainIds] by a
///   [DomainIdPolicy]; as an operator names them: [NamedDomains],
///   [OperatedDomains]; [DomainDriver] carries out an operator's [DomainOrder].
/// - The host: [HostKvm], [HostException], [MemoryAdmission].
/// - Domains in XenStore: [Introductions], [StoreChannels]. Channels of domain 0: [StoreChannel] with
///   [TracedRequests], [ConsoleChannel].
/// - Devices of domains: [DomainDevices], [DeviceAttachment], [DeviceChanges],
///   [ServedKinds]. The memory that domains are to have:
///   [MemoryTargets].
/// - Saved guests: [SavePlace], [SaveMetrics]. Migrations: [MigrationOptions], [MigrationMetrics].
///   Live updates: [UpdateMetrics]. Ends of domains: [EndMetrics].
/// - Events of domains: [DomainEvents], [DomainEvent]; [EventBoard] hands them to readers.
///
/// Locks: `operated` of [DomainDirectory] is held while a command works on domains, so that none is closed meanwhile.
/// No thread waits for a [DomainDriver] or XenStore with it held. The monitors of [MemoryAdmission] and [DomainIds] are
/// leaves; over that of [MemoryTargets] are only the locks of XenStore and of the domain's memory.
@NullMarked
package io.xenemu.core.hypervisor;

import org.jspecify.annotations.NullMarked;
