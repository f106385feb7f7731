package io.xenemu.evtchn;

/// Called when a guest sends on a channel whose other end is the service.
@FunctionalInterface
public interface ServiceListener {
    /// The guest has sent at least once since the last call. Called with no lock held, on the sending vCPU's thread
    /// or on the thread that waits on the kernel's eventfds: it must not block. Sends coalesce. A call may come
    /// without a send, as Xen signals a port when it is bound, and just after the channel was closed.
    void signalled();
}
