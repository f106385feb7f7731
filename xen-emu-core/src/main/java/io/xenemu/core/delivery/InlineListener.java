package io.xenemu.core.delivery;

import io.xenemu.evtchn.ServiceListener;

/// A listener that is served on the sending vCPU's thread, because that is faster than handing over to another
/// thread. Sends to it exit to user space; sends to other listeners stay in the kernel.
public interface InlineListener extends ServiceListener {}
