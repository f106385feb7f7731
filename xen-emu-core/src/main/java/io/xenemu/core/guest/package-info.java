/// Guests over their reboots: each boot is a new domain.
///
/// Start at [Guest].
///
/// - A guest: [Guest], [GuestRequest], [GuestDevices], [RestartLimit], [RunOutcome].
/// - In the background: [HostedGuests], [HostedGuest]; beside one in the foreground: [SecondGuest].
/// - The end of all of them: [OrderlyStop].
///
/// Locks: `moving` of [GuestDevices] is held while bytes move between a console and the host. The monitor of
/// [HostedGuests] is a leaf.
@NullMarked
package io.xenemu.core.guest;

import org.jspecify.annotations.NullMarked;
