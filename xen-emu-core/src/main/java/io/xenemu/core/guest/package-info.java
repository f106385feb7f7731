/// Guests over their reboots: each boot is a new domain.
///
/// Start at [Guest], which draws the states.
///
/// - A guest: [Guest], [GuestRequest], [GuestDevices], [PlatformDevices], [RestartLimit], [RunOutcome].
/// - Its settings: [GuestSetting], [SettingType], [GuestSettings], [WrongSetting], [PlatformSettings], [MemorySize],
///   [XenVersion].
/// - Actions after its domain stops: [EndActions], [EndAction]; [CoreDumps].
/// - Its driver, the thread that moves it: [GuestDriver], [RequestLoop], [GuestBoot], [Suspends].
/// - Requests to the driver: [GuestRequests] decides, [GuestInbox] guards it; [GuestState], [DriverRequest], [Refusal].
/// - Saved state: [SavedGuest], [SuspendedState], [GuestRequestCodec], [SavedSettings]. A save: [Saves], [SaveParty],
///   [CooperativeSuspend], [GuestSave], [StandStill], [RamCopies], [SaveTarget]. A restore: [GuestsRestore],
///   [SavedChannel], [SavedStream], [DomainImage], [GuestImage], [RestoreGate], [RestoredConnections], [LazyRestore]
///   with [LateBootFiles]. That of real Xen: [XenGuestImage], [XlRequest].
/// - Migration: [Migrations] with [MigrationRecords], [Migration], [MigrationPhase]; [MigrationSource] with
///   [GuestDescription], [MovingGuests], [MigrationRounds], [VcpuThrottle], [DestinationAnswers], [DecidedSource] and
///   [DiskReturn]; [MigrationTarget]; further connections: [MigrationLinks], [JoiningStreams]; pages that follow a
///   guest: [PostCopySource], [LaterPages], [EarlyPages]; disks whose content goes with it: [OutgoingDisks],
///   [IncomingDisks]; [MigrationChecks], [CopyPlaces] of both.
/// - Live update: [LiveUpdates] with [ChangeGate], [UpdateSource], [UpdateParty], [UpdateStates];
///   [UpdateTarget]; [UpdatedSocket] of both.
/// - Guests of VMMs in other processes: [AttachedGuests], [AttachedImage]. VMMs that the service starts:
///   [DeviceModels], [DeviceModel]; [DeviceModelConfig] with [DeviceModelCommand].
/// - A domain that stays as a guest of its own: [StoppedBoot].
/// - Guests in the background: [HostedGuests], [HostedGuest]. A second guest beside the foreground one: [SecondGuest].
/// - The end of all of them: [OrderlyStop].
///
/// Locks: `moving` of [GuestDevices] is held while bytes move between a console and the host. The monitors of
/// [GuestInbox], [HostedGuests], [ChangeGate], [UpdateParty], [SaveParty], [RestoreGate], [AttachedImage],
/// [Migrations], [JoiningStreams] and [Migration] are leaves. Those of [MigrationSource] and [UpdateSource] are held
/// while they decide. A thread that waits for a driver's answer holds no lock, because the driver may need it.
@NullMarked
package io.xenemu.core.guest;

import org.jspecify.annotations.NullMarked;
