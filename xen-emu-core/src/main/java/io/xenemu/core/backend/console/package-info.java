/// Further consoles of a guest (hvc1 and so on in Linux), which are channels when they have a name (`console`;
/// `public/io/console.h`, `docs/misc/console.txt` of Xen). The first console is the domain's own, and is not here.
///
/// Start at [ConsoleQueue], which moves the bytes.
///
/// - The device: [ConsoleKind] is the kind, [ConsoleBackend] one console, [ConsoleConnection] a guest's connection to
///   it, [ConsoleMetrics] its meters, [ConsoleDeviceState] its saved state, [ConsoleDeviceStateCodec] the form of that.
/// - The host's end: [HostEnd], which is a [PtyEnd], a [SocketEnd] or a [FileEnd]; [HostEvents] wakes the
///   queue for it.
/// - The bytes in between: [ConsoleHost] keeps them in [KeptBytes], and [ConsoleBytes] counts them. The ring is
///   [io.xenemu.core.device.ConsoleRing], as that of the first console.
///
/// Locks: that of [ConsoleQueue], which guards the host's end too, and is above that of the ring.
/// Events are sent without locks.
@NullMarked
package io.xenemu.core.backend.console;

import org.jspecify.annotations.NullMarked;
