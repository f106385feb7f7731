/// The service's own devices: I/O ports, the serial port, the PV console, the clock, and their ends on the host.
///
/// Families of files:
///
/// - I/O ports: [PortBus], [PortDevice] with [BytePorts], [WidePortDevice]; [PowerPorts] with [PowerControl].
/// - What ACPI describes: [AcpiEvents], [GenerationId], [Rtc].
/// - Text for an operator: [GuestLog], written by [DebugPort] and [UnplugPorts].
/// - The serial port: [Serial8250], [SerialFifo], [IrqLine].
/// - The PV console: [ConsoleRing].
/// - The host's ends: [HostConsole]; in the foreground [StdioConsole] and [Terminal], in the background
///   [ConsoleLog]; the output of a command is [StandardOutput]. Bytes go through [ByteSink], [ByteSource] and
///   [BytePipe].
/// - Saved state: [ConsoleState], [SerialState], [AcpiState], [RtcState], [UnplugState] and [DeviceStateCodec];
///   [TypedInput] is the input of a restored device.
/// - Their meters: [DeviceMetrics], and [RemoteLineCounters] of devices in other processes.
///
/// Locks: [ConsoleRing] and [Serial8250] have one each, above those of the host's ends. Interrupts and events
/// are sent after it is released. [AcpiEvents], [Rtc], [UnplugPorts] and [GuestLog] are monitors; that of [AcpiEvents]
/// is held while the interrupt line changes.
@NullMarked
package io.xenemu.core.device;

import org.jspecify.annotations.NullMarked;
