/// The command line. One class for each command, named after it; [Subcommand] lists them; [XenEmu] turns failures
/// into one line and an exit code.
///
/// Families of files:
///
/// - Services: [RunCommand], [DaemonCommand], [XenstoredCommand], [PageServerCommand]; shared by them:
///   [DaemonOptions], [ControlGroup], [DaemonProcess], [StopOption], [DumpOption], [MigrationFolderOption],
///   [Termination], [ProcessSignals], [ServiceThreads].
/// - Verbs that a running service carries out: [ServiceVerb] and [ServiceOption]; [CreateCommand] with [GuestFile],
///   [ListCommand], [NameVerbs], [HostVerbs], [ButtonPressCommand], [DomainVerbs], [SaveVerbs], [MigrateVerbs] and
///   [EvacuateCommand] with [MigrateOptions], [CarrierOptions], [Carrier], [TlsOptions] and [TlsIdentity],
///   [UpgradeCommand], [MemoryVerbs], [VcpuVerbs], [DeviceVerbs], [EngineVerbs], [TriggerCommand], [SysrqCommand],
///   [DebugKeysCommand], [DumpCoreCommand], [EventsCommand], [TraceCommand], [ConsoleCommand] with [EscapableInput]
///   and [TerminalRelay].
/// - The page of a service: [WebCommand].
/// - Of this host alone: [CpuPolicyCommand].
/// - Values of options: [GuestOptions], [QuotaOptions], [EngineOptions], [DomainIdOption], [MetricsAddress].
/// - Without a service: [ReplayCommand]; [InspectCommand] with [SavedReportText], [SavedReportJson] and
///   [XenImageText].
/// - The whole program: [XenEmu], [Program], [Subcommand], [RefusedVerb], [HelpCommand], [ExitCode], [Mistyped],
///   [WrongUse], [ProgramVersion], [ManCommand] with [ManPage], [CompletionCommand]; the log: [LogSettings],
///   [LogProvider], [LogConfigurator].
@NullMarked
package io.xenemu.core.cli;

import org.jspecify.annotations.NullMarked;
