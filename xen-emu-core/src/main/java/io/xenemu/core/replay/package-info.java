/// Replays of traces: recorded hypercalls are made again in a domain like the traced one, and the results compared.
///
/// Start at [Replay]. [ReplayedDomain] is the domain, from the state with which the trace begins, with the real
/// dispatcher and modules on a VM in which nothing runs. A call sees the guest's memory as it was recorded:
/// [RecordedPages] translates its addresses, [RecordedMode] is its mode, and [RecordedBytes] are its copies in and out.
/// [Judgement] says which calls cannot be compared, and why. [ReplayReport] is the outcome; a trace that cannot be
/// replayed is a [ReplayException].
///
/// No locks.
@NullMarked
package io.xenemu.core.replay;

import org.jspecify.annotations.NullMarked;
