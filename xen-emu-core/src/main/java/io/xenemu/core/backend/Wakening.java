package io.xenemu.core.backend;

import io.xenemu.core.delivery.EventFdListener;
import io.xenemu.kvm.memory.EventFd;

/// Wakes a queue's thread when the guest sends.
record Wakening(QueueThread thread) implements EventFdListener {
    @Override
    public EventFd eventFd() {
        return thread.eventFd();
    }

    @Override
    public void signalled() {
        thread.signal();
    }
}
