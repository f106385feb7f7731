package io.xenemu.core.backend.p9;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.PvDevice;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// One folder of the host, shared with a guest.
final class P9Share implements BackendDevice.Used, P9Observer {
    /// Linux uses two pairs of rings; more would only share the same workers.
    static final int RINGS_MAX = 8;

    private final P9Spec spec;
    private final MeterRegistry registry;
    private final P9Server server;
    private volatile @Nullable P9Metrics metrics;
    private volatile @Nullable P9Connection connection;

    /// @throws io.xenemu.kvm.abi.KvmException if the folder cannot be opened
    P9Share(P9Spec spec, MeterRegistry registry) {
        this.spec = spec;
        this.registry = registry;
        server = new P9Server(P9Export.of(spec), this);
    }

    @Override
    public SequencedMap<String, String> features(PvDevice device) {
        if (metrics == null) {
            metrics = new P9Metrics(registry, device, server::fids, server::openFiles);
        }
        SequencedMap<String, String> features = new LinkedHashMap<>();
        features.put("versions", "1");
        features.put("max-rings", Integer.toString(RINGS_MAX));
        features.put("max-ring-page-order", Integer.toString(P9Queue.ORDER_MAX));
        return features;
    }

    @Override
    public BackendConnection connect(Frontend front) throws FrontendError {
        P9Connection made = P9Connection.connect(front, server, this);
        connection = made;
        return made;
    }

    @Override
    public void ended(@Nullable P9Operation operation, int errno, int asked, int answered) {
        P9Metrics current = metrics;
        if (current != null) {
            current.ended(operation, errno, asked, answered);
        }
    }

    /// A mounted share has files that only this service knows.
    @Override
    public String blocker() {
        return server.isMounted()
                ? "9pfs share %s is mounted (%d fids)".formatted(spec.tag(), server.fids())
                : "9pfs share %s cannot be saved yet".formatted(spec.tag());
    }

    /// Linux's front end lets go of a mounted share at once when it is asked to, and the mount hangs.
    @Override
    public Optional<String> use() {
        if (!server.isMounted()) {
            return Optional.empty();
        }
        P9Connection current = connection;
        return Optional.of(
                "share %s is mounted, with %d requests in flight and %d open fids"
                        .formatted(
                                spec.tag(),
                                current == null ? 0 : current.inFlight(),
                                server.fids()));
    }

    @Override
    public void close() {
        server.close();
        P9Metrics current = metrics;
        if (current != null) {
            current.close();
        }
    }
}
