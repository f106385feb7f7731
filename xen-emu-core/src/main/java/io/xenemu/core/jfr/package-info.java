/// Events of Java Flight Recorder about domains: hypercalls and what else a trace can record. They are off unless a
/// recording names them, and cost nothing then.
///
/// Start at [FlightRecorderTap], which notices recordings and observes all domains for them. [RecordedCalls] and
/// [RecordedEvents] make the events: [HypercallEvent], [ExitEvent], [UpcallEvent], [StoreRequestEvent] and
/// [GrantUseEvent], each an [XenEvent].
///
/// No locks.
@NullMarked
package io.xenemu.core.jfr;

import org.jspecify.annotations.NullMarked;
