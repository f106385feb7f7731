package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.SavedConnection;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PasstSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A network interface of a guest, on a tap of the host or a stream to passt.
final class NetBackend implements BackendDevice.Attaching, BackendDevice.HandedOver {
    /// The most queues: as many as Linux's front end takes.
    static final int MAX_QUEUES = 8;

    /// xl's script for bridges, which the service does itself.
    private static final String BRIDGE_SCRIPT = "vif-bridge";

    private static final Logger log = LoggerFactory.getLogger(NetBackend.class);

    private final NicSpec spec;
    private final TapNames taps;
    private final MeterRegistry registry;
    private @Nullable Attached attached;

    /// The queues of its tap, which another process has opened, until it is attached; null for a new tap.
    private @Nullable ImmutableIntArray received;

    /// Its stream on the way to another process.
    private @Nullable HandedOverStream leaving;

    private final SavedConnection<NetState.Connection> saved;

    /// @param link the host's end
    /// @param script the script that has connected it to the host's network, or null
    private record Attached(HostLink link, @Nullable HotplugScript script, NetMetrics metrics) {}

    /// @param state of an interface that was saved, or of a new one
    /// @param taps the names of the taps of all devices
    NetBackend(NetState state, TapNames taps, MeterRegistry registry) {
        this(state, taps, registry, null);
    }

    /// @param received the queues of its tap, which another process of this service has opened; null for a new tap
    NetBackend(
            NetState state,
            TapNames taps,
            MeterRegistry registry,
            @Nullable ImmutableIntArray received) {
        this.received = received;
        spec = state.spec();
        saved = new SavedConnection<>("interface", state.connection());
        this.taps = taps;
        this.registry = registry;
    }

    /// Whether the service connects the interface to its bridge itself.
    static boolean isBuiltIn(NicSpec spec) {
        return spec.passt().isPresent() || spec.script().equals(BRIDGE_SCRIPT);
    }

    @Override
    public void attach(PvDevice device) throws Refused {
        Attached opened =
                spec.passt().isPresent() ? passt(device, spec.passt().get()) : tap(device);
        attached = opened;
        NetState.Connection connection = saved.peek();
        if (connection != null && connection.queues().size() > opened.link.maxQueues()) {
            throw new Refused(
                    "%s: the guest uses %d queues, and its link has %d"
                            .formatted(
                                    device.name(),
                                    connection.queues().size(),
                                    opened.link.maxQueues()));
        }
    }

    private Attached passt(PvDevice device, PasstSpec passt) throws Refused {
        String name = "%s-vif-%d".formatted(device.frontend(), device.id());
        ImmutableIntArray stream = received;
        received = null;
        StreamLink link =
                stream == null
                        ? StreamLink.open(peer(passt, name), name)
                        : HandedOverStream.received(spec, name, stream);
        NetMetrics metrics = new NetMetrics(registry, device);
        metrics.reconnections(link::reconnections);
        return new Attached(link, null, metrics);
    }

    private StreamPeer peer(PasstSpec passt, String name) throws Refused {
        return passt.socket().isEmpty()
                ? Passt.of(passt, spec.mtu(), name, HostProgram.folders())
                : new SocketPeer(Path.of(passt.socket()));
    }

    private Attached tap(PvDevice device) throws Refused {
        String own = "vif%d.%d".formatted(device.frontend().value(), device.id());
        String name = spec.forScript().getOrDefault("vifname", own);
        ImmutableIntArray queues = received;
        received = null;
        HostTap tap =
                queues == null ? HostTap.open(name, taps) : HostTap.received(name, taps, queues);
        boolean done = false;
        try {
            if (queues == null) {
                tap.prepare(spec.mtu());
            }
            @Nullable HotplugScript script = null;
            if (!isBuiltIn(spec)) {
                script =
                        new HotplugScript(
                                Path.of(spec.scriptPath()),
                                device,
                                tap.name(),
                                spec.forScript().getOrDefault("gatewaydev", ""));
                if (queues == null) {
                    script.online();
                }
            } else if (tap.isMade()) {
                tap.join(spec.bridge());
            }
            Attached opened = new Attached(tap, script, new NetMetrics(registry, device));
            done = true;
            return opened;
        } finally {
            if (!done) {
                tap.close();
            }
        }
    }

    private Attached attached() {
        Attached current = attached;
        if (current == null) {
            throw new IllegalStateException("not attached");
        }
        return current;
    }

    @Override
    public SequencedMap<String, String> features(PvDevice device) {
        HostLink link = attached().link;
        String segments = link.takesSegments() ? "1" : "0";
        SequencedMap<String, String> nodes = new LinkedHashMap<>();
        nodes.put("feature-rx-copy", "1");
        nodes.put("feature-rx-flip", "0");
        nodes.put("feature-sg", "1");
        nodes.put("feature-gso-tcpv4", segments);
        nodes.put("feature-gso-tcpv6", segments);
        nodes.put("feature-ipv6-csum-offload", "1");
        nodes.put("feature-split-event-channels", "1");
        nodes.put("feature-multicast-control", "1");
        nodes.put("feature-ctrl-ring", "1");
        nodes.put("feature-xdp-headroom", "1");
        nodes.put("multi-queue-max-queues", Integer.toString(link.maxQueues()));
        nodes.put("hotplug-status", "connected");
        return nodes;
    }

    @Override
    public BackendConnection connect(Frontend front) throws FrontendError {
        return NetConnection.connect(front, host());
    }

    @Override
    public BackendConnection reconnect(Frontend front) throws FrontendError {
        return NetConnection.restore(front, host(), saved.take(), spec.mac());
    }

    private NetConnection.Host host() {
        Attached to = attached();
        return new NetConnection.Host(to.link, to.metrics, rate());
    }

    @Override
    public Saved save(PvDevice device, @Nullable BackendConnection connection) {
        NetState state =
                new NetState(
                        spec.numbered(device.id()),
                        connection instanceof NetConnection current ? current.save() : null);
        return new Saved(NetStateCodec.VERSION, NetStateCodec.encode(state));
    }

    @Override
    public DeviceSpec spec() {
        return spec;
    }

    private TxCredit.Rate rate() {
        return spec.rate()
                .map(rate -> new TxCredit.Rate(rate.bytes(), rate.micros()))
                .orElse(TxCredit.Rate.UNLIMITED);
    }

    @Override
    public Optional<String> blocker() {
        return Optional.empty();
    }

    @Override
    public Optional<String> stays() {
        return Optional.empty();
    }

    @Override
    public ImmutableIntArray descriptors(@Nullable BackendConnection connection) throws Refused {
        return switch (attached().link) {
            case HostTap tap -> tap.descriptors();
            case StreamLink stream -> {
                HandedOverStream begun = HandedOverStream.of(stream);
                if (leaving != null) {
                    leaving.close();
                }
                leaving = begun;
                yield begun.descriptors();
            }
        };
    }

    /// The script has connected a tap that stays.
    @Override
    public void handedOver() {
        Attached here = attached();
        attached = new Attached(here.link, null, here.metrics);
        if (here.link instanceof StreamLink stream) {
            stream.handedOver();
        }
    }

    @Override
    public void close() {
        if (leaving != null) {
            leaving.close();
            leaving = null;
        }
        Attached ending = attached;
        attached = null;
        if (ending == null) {
            return;
        }
        ending.metrics.close();
        try {
            if (ending.script != null) {
                ending.script.offline();
            }
        } catch (Refused e) {
            log.warn("{}", e.getMessage());
        } finally {
            ending.link.close();
        }
    }
}
