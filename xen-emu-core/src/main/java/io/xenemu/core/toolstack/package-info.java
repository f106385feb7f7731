/// The toolstack's knowledge: XenStore nodes as libxl writes them, and xl's syntax. A paravirtual device is between two
/// domains; the service, which is domain 0, or a driver domain has the back end.
///
/// Start at [PvDevices], which creates, finds and detaches devices, and ends or keeps them when a domain ends or
/// reboots.
///
/// Families of files:
///
/// - Devices: [PvDevices], [ServiceBackends], [PvDevice], [DeviceKind], [DevicesOverReboot], [DetachMode],
///   [DeviceRemovals], [DeviceEvents], [Refused]; those that exist: [DeviceList], [DeviceRow].
/// - Nodes of a domain: [DomainNodes], [DomainDescription]; [GuestControls] tells a guest what to do;
///   [DriverBlacklist] names drivers that are not to load.
/// - Nodes of a device: [DeviceNodes], [DeviceContents], [XenbusState], [XenbusWait].
/// - xl's syntax: [DeviceSpec], [DiskSpec], [DiskServing], [DiskRates], [DiskAio], [DiskSpecParser], [DiskPrefix],
///   [VirtualDisk], [NicSpec], [NicSpecParser], [NicRate], [MacAddress], [PasstSpec], [P9Spec], [P9SpecParser],
///   [P9SecurityModel], [P9Quota], [ConsoleSpec], [ConsoleSpecParser].
///
/// No locks: changes are XenStore transactions. A wait for a back end is a virtual thread.
@NullMarked
package io.xenemu.core.toolstack;

import org.jspecify.annotations.NullMarked;
