/// Xen event channels: ports, VIRQs, IPIs, PIRQs, the 2-level and the FIFO ABI, the kernel's part of them, and saved
/// state.
@NullMarked
package io.xenemu.evtchn;

import org.jspecify.annotations.NullMarked;
