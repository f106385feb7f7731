/// Xen event channels: ports, VIRQs, IPIs, the 2-level ABI and its saved state.
@NullMarked
package io.xenemu.evtchn;

import org.jspecify.annotations.NullMarked;
