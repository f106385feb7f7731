package io.xenemu.core.backend.net;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A network interface of a guest, on a tap of the host.
final class NetBackend implements BackendDevice.Attaching {
    /// The most queues: as many as Linux's front end takes.
    static final int MAX_QUEUES = 8;

    /// xl's script for bridges, which the service does itself.
    private static final String BRIDGE_SCRIPT = "vif-bridge";

    private static final Logger log = LoggerFactory.getLogger(NetBackend.class);

    private final NicSpec spec;
    private final TapNames taps;
    private final MeterRegistry registry;
    private @Nullable Attached attached;

    /// @param tap the host's end
    /// @param script the script that has connected it to the host's network, or null
    private record Attached(HostTap tap, @Nullable HotplugScript script, NetMetrics metrics) {}

    /// @param taps the names of the taps of all devices
    NetBackend(NicSpec spec, TapNames taps, MeterRegistry registry) {
        this.spec = spec;
        this.taps = taps;
        this.registry = registry;
    }

    /// Whether the service connects the interface to its bridge itself.
    static boolean isBuiltIn(NicSpec spec) {
        return spec.script().equals(BRIDGE_SCRIPT);
    }

    @Override
    public void attach(PvDevice device) throws Refused {
        String own = "vif%d.%d".formatted(device.frontend().value(), device.id());
        HostTap tap = HostTap.open(spec.forScript().getOrDefault("vifname", own), taps);
        boolean done = false;
        try {
            tap.prepare(spec.mtu());
            @Nullable HotplugScript script = null;
            if (!isBuiltIn(spec)) {
                script =
                        new HotplugScript(
                                Path.of(spec.scriptPath()),
                                device,
                                tap.name(),
                                spec.forScript().getOrDefault("gatewaydev", ""));
                script.online();
            } else if (tap.isMade()) {
                tap.join(spec.bridge());
            }
            attached = new Attached(tap, script, new NetMetrics(registry, device));
            done = true;
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

    private int maxQueues() {
        return attached().tap.hasSeveral() ? MAX_QUEUES : 1;
    }

    @Override
    public SequencedMap<String, String> features(PvDevice device) {
        SequencedMap<String, String> nodes = new LinkedHashMap<>();
        nodes.put("feature-rx-copy", "1");
        nodes.put("feature-rx-flip", "0");
        nodes.put("feature-sg", "1");
        nodes.put("feature-gso-tcpv4", "1");
        nodes.put("feature-gso-tcpv6", "1");
        nodes.put("feature-ipv6-csum-offload", "1");
        nodes.put("feature-split-event-channels", "1");
        nodes.put("feature-multicast-control", "1");
        nodes.put("feature-ctrl-ring", "1");
        nodes.put("feature-xdp-headroom", "1");
        nodes.put("multi-queue-max-queues", Integer.toString(maxQueues()));
        nodes.put("hotplug-status", "connected");
        return nodes;
    }

    @Override
    public BackendConnection connect(Frontend front) throws FrontendError {
        Attached to = attached();
        return NetConnection.connect(front, to.tap, to.metrics, maxQueues(), rate());
    }

    private TxCredit.Rate rate() {
        return spec.rate()
                .map(rate -> new TxCredit.Rate(rate.bytes(), rate.micros()))
                .orElse(TxCredit.Rate.UNLIMITED);
    }

    @Override
    public String blocker() {
        return "a network interface of the service cannot be saved yet";
    }

    @Override
    public void close() {
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
            ending.tap.close();
        }
    }
}
