package io.xenemu.core.delivery;

import io.xenemu.evtchn.ServiceListener;
import io.xenemu.kvm.memory.EventFd;

/// A listener with an eventfd of its own, on which a thread waits already. The kernel signals it when the guest sends;
/// sends that reach user space call [#signalled], which signals it too.
public interface EventFdListener extends ServiceListener {
    /// The eventfd, open as long as the event channel.
    EventFd eventFd();
}
