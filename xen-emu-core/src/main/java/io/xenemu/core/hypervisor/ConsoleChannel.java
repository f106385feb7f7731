package io.xenemu.core.hypervisor;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.device.ConsoleRing;
import io.xenemu.core.device.ConsoleState;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A guest's PV console (hvc0): its ring page and event channel. Sends stay in the kernel and wake a thread of this
/// service, so a guest that prints does not wait for a reader.
public final class ConsoleChannel {
    private final EvtchnPort guestPort;
    private final ServicePort port;
    private volatile @Nullable ConsoleRing backend;

    /// Makes the console of a new domain.
    public ConsoleChannel(
            Domain domain, ServicePorts servicePorts, ByteSink output, ByteSource input) {
        this(domain, freePort(domain), servicePorts);
        serve(domain, new ConsoleRing(page(domain), output, input, port::notifyGuest));
        domain.params().set(HvmParams.CONSOLE_PFN, GuestMemoryMap.CONSOLE_GFN);
        domain.params().set(HvmParams.CONSOLE_EVTCHN, guestPort.value());
    }

    /// Makes the console of a restored domain.
    ///
    /// @param input gives the typed input of `state` first
    public ConsoleChannel(
            Domain domain,
            ServicePorts servicePorts,
            ByteSink output,
            ByteSource input,
            ConsoleState state) {
        this(domain, new EvtchnPort(state.port()), servicePorts);
        serve(
                domain,
                new ConsoleRing(page(domain), output, input, port::notifyGuest, state.ring()));
    }

    @SuppressWarnings("this-escape") // told of the first event at once, and has no back end yet
    private ConsoleChannel(Domain domain, EvtchnPort guestPort, ServicePorts servicePorts) {
        this.guestPort = guestPort;
        try {
            port = servicePorts.restore(domain.id(), guestPort, this::service);
        } catch (XenError e) {
            throw new IllegalStateException("the console cannot have an event channel", e);
        }
    }

    private static EvtchnPort freePort(Domain domain) {
        try {
            return domain.eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
        } catch (XenError e) {
            throw new IllegalStateException("a new domain has no free port", e);
        }
    }

    private static MemorySegment page(Domain domain) {
        return domain.special().console();
    }

    private void serve(Domain domain, ConsoleRing console) {
        domain.deviceMetrics().add(console);
        backend = console;
    }

    /// The console's state. The console must be held, and not closed.
    ///
    /// @param typed input that has not reached the ring
    public ConsoleState save(List<Byte> typed) {
        return new ConsoleState(
                port.guestPort().value(), Objects.requireNonNull(backend).save(), typed);
    }

    EvtchnPort guestPort() {
        return guestPort;
    }

    /// Moves as many bytes as possible in both directions.
    public void service() {
        ConsoleRing current = backend;
        if (current != null) {
            current.service();
        }
    }

    /// Moves nothing until [#release]; see [ConsoleRing#hold].
    public void hold() {
        ConsoleRing current = backend;
        if (current != null) {
            current.hold();
        }
    }

    /// Moves bytes again, and those that have waited.
    public void release() {
        ConsoleRing current = backend;
        if (current != null) {
            current.release();
        }
    }

    /// Whether the guest has output that was not taken yet.
    public boolean hasOutput() {
        ConsoleRing current = backend;
        return current != null && current.hasOutput();
    }

    /// Waits for a thread that moves bytes, leaves the ring alone from then on, and gives back domain 0's port.
    public void close() {
        ConsoleRing current = backend;
        if (current != null) {
            current.close();
        }
        port.close();
    }
}
