package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.concurrent.atomic.AtomicBoolean;

/// A back end's end of a channel to a guest; a port of domain 0.
public final class ServicePort implements AutoCloseable {
    private final EventChannels channels;
    private final EvtchnPort port;
    private final AtomicBoolean closed = new AtomicBoolean();

    ServicePort(EventChannels channels, EvtchnPort port) {
        this.channels = channels;
        this.port = port;
    }

    /// The number of this port in domain 0.
    public EvtchnPort port() {
        return port;
    }

    /// Signals the guest. Does nothing if this end is closed, or if no guest port is connected, such as after the
    /// guest closed its own.
    public void notifyGuest() {
        if (closed.get()) {
            return;
        }
        try {
            channels.send(port);
        } catch (XenError e) {
            if (!closed.get()) {
                throw new IllegalStateException(port + " of domain 0 no longer exists", e);
            }
        }
    }

    /// Whether a guest's port is connected.
    public boolean isConnected() {
        return !guestPort().equals(EvtchnPort.NONE);
    }

    /// The guest's port that is connected, or [EvtchnPort#NONE].
    public EvtchnPort guestPort() {
        if (closed.get()) {
            return EvtchnPort.NONE;
        }
        try {
            return channels.status(channels.domId(), port) instanceof EvtchnStatus.Interdomain guest
                    ? guest.port()
                    : EvtchnPort.NONE;
        } catch (XenError e) {
            return EvtchnPort.NONE;
        }
    }

    /// Closes this end; the guest's end becomes unbound. Closing twice is allowed.
    @Override
    public void close() {
        Channel channel = channels.bindings.ports.find(port);
        if (channel != null && closed.compareAndSet(false, true)) {
            Interdomain.closeIfOpen(channels.bindings, channel);
        }
    }
}
