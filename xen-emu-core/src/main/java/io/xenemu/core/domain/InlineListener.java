package io.xenemu.core.domain;

import io.xenemu.evtchn.ServiceListener;

/// A listener that is served on the sending vCPU's thread, because that is faster than handing over to another. Sends to it
/// leave to user space; sends to any other listener stay in the kernel.
public interface InlineListener extends ServiceListener {}
