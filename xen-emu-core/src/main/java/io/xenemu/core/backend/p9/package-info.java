/// Folders of the host that guests mount (`9pfs`): a server of 9P2000.L, and the rings that bring it requests
/// (`public/io/9pfs.h`, `docs/misc/9pfs.pandoc` of Xen; `include/net/9p/9p.h` of Linux).
///
/// Start at [P9Server], which turns the bytes of a request into the bytes of an answer, and at [P9Connection], which
/// brings the two to and from a guest.
///
/// Families of files:
///
/// - The device: [P9Kind] is the kind, [P9Share] one folder with [P9Export] and [P9Limits], [P9Metrics] its meters.
/// - The rings: [P9Connection] with its threads, [P9Requests] in flight, [P9Request] of one worker, [P9Queue] with the
///   guest's memory.
/// - Messages: [P9Operation], [P9Reader], [P9Writer], [P9Error], [P9Observer].
/// - What a guest holds: [P9Session], [P9Fids], [P9Object], which is a [P9Place], a [P9OpenFile] or a [P9Attribute];
///   [P9Descriptors], [P9Paths], [P9Qid]. [P9Stale] is a file that is gone.
/// - Saved state: [P9State], [P9StateCodec], [P9SavedFids]; for another process of this host, [P9HandedFids].
/// - Requests by theme: [P9Walks], [P9Opens], [P9Contents], [P9Names], [P9Attributes], [P9ExtendedAttributes],
///   [P9Locks]; [P9Scratch] serves them.
/// - Owners and permissions: [P9Credentials], [P9Mapped]. The quota: [P9Usage], [P9Count].
///
/// Locks: the monitors of [P9Requests], of [P9Fids] and of [P9Qid] are leaves; all of the guest's memory is touched
/// under the first. Under its own monitor, which is above that of [P9Fids], a [P9Place] is opened again, and a
/// [P9OpenFile] is read as a directory or opened again for locks. A [P9Attribute] is set under its own, and [P9Usage]
/// counts the tree under its own; both are above all of these. No lock is held while a file is read or written.
@NullMarked
package io.xenemu.core.backend.p9;

import org.jspecify.annotations.NullMarked;
