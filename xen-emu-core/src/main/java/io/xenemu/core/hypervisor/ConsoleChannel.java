package io.xenemu.core.hypervisor;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.device.ConsoleBackend;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// A guest's PV console (hvc0): its ring page and event channel. Sends stay in the kernel and wake a thread of this
/// service, so a guest that prints does not wait for whoever reads.
public final class ConsoleChannel {
    private final EvtchnPort guestPort;
    private final ServicePort port;
    private volatile @Nullable ConsoleBackend backend;

    public ConsoleChannel(
            Domain domain, ServicePorts servicePorts, ByteSink output, ByteSource input) {
        try {
            guestPort = domain.eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
            port = servicePorts.bindInterdomain(domain.id(), guestPort, this::service);
        } catch (XenError e) {
            throw new IllegalStateException("a new domain has no free port", e);
        }
        ConsoleBackend console =
                new ConsoleBackend(domain.special().console(), output, input, port::notifyGuest);
        domain.deviceMetrics().add(console);
        backend = console;
        domain.params().set(HvmParams.CONSOLE_PFN, GuestMemoryMap.CONSOLE_GFN);
        domain.params().set(HvmParams.CONSOLE_EVTCHN, guestPort.value());
    }

    EvtchnPort guestPort() {
        return guestPort;
    }

    /// Moves what can be moved.
    public void service() {
        ConsoleBackend current = backend;
        if (current != null) {
            current.service();
        }
    }

    /// Moves nothing until [#release]; see [ConsoleBackend#hold].
    public void hold() {
        ConsoleBackend current = backend;
        if (current != null) {
            current.hold();
        }
    }

    /// Moves bytes again, and those that have waited.
    public void release() {
        ConsoleBackend current = backend;
        if (current != null) {
            current.release();
        }
    }

    /// Whether the guest has printed what was not taken yet.
    public boolean hasOutput() {
        ConsoleBackend current = backend;
        return current != null && current.hasOutput();
    }

    /// Leaves the ring alone from now on, having waited for a thread that is at it, and gives back domain 0's port.
    public void close() {
        ConsoleBackend current = backend;
        if (current != null) {
            current.close();
        }
        port.close();
    }
}
