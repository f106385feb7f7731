/// The lab: an emulated machine (L1) whose KVM has the Xen interface, on any Linux host (L0), with nothing but
/// Debian packages. Guests run inside it (L2). It serves hosts whose own KVM has no Xen support.
///
/// Start at [LabMachine], which boots one, and [LabRun], which moves `xen-emu run` into it.
///
/// Families of files:
///
/// - The machine: [LabMachine], [L1CommandLine], [L1Initramfs], [LabCpus], [QemuProcess], [MachineFolder].
/// - A machine that hangs: [MachineWatch] notices it by its [Pulse], and throws a [LabHangException] with the findings
///   of [QemuMonitor] and [ProcessThreads].
/// - Commands in it: [LabChannel], [LabProcess], [ShellScript], [StandardStreams], [ForegroundCommand].
/// - `xen-emu run` in it: [LabRun], [RunArguments], [LabForward], [LabRelay], [SocketRelay].
/// - Its contents: [LabImages], [CacheFolder], [DebianPackages], [DebianSources], [HostCommand],
///   [KernelModules], [CpioArchive], [GuestInitramfs], [GuestProgram], [Resource].
/// - Commands of the user: [LabCommand], [LabExecCommand], [LabSetupCommand]. Failures are a [LabException]; without a
///   network it is an [OfflineException].
@NullMarked
package io.xenemu.core.lab;

import org.jspecify.annotations.NullMarked;
