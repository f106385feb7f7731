package io.xenemu.core.backend.p9;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.SavedConnection;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.PvDevice;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// One folder of the host, shared with a guest.
final class P9Share implements BackendDevice.Used, BackendDevice.Savable, P9Observer {
    /// Linux uses two pairs of rings; more would only share the same workers.
    static final int RINGS_MAX = 8;

    private final P9Spec spec;
    private final MeterRegistry registry;
    private final P9Server server;
    private volatile @Nullable P9Metrics metrics;
    private volatile @Nullable P9Connection connection;

    private final SavedConnection<P9State.Connection> saved;

    /// @throws io.xenemu.kvm.abi.KvmException if the folder cannot be opened
    ///
    /// @param state of a share that was saved, or of a new one
    P9Share(P9State state, MeterRegistry registry) {
        spec = state.spec();
        saved = new SavedConnection<>("share", state.connection());
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
    public BackendConnection reconnect(Frontend front) throws FrontendError {
        P9Connection made = P9Connection.restore(front, server, this, saved.take());
        connection = made;
        return made;
    }

    @Override
    public Saved save(PvDevice device, @Nullable BackendConnection current) {
        P9State state =
                new P9State(
                        spec.numbered(device.id()),
                        current instanceof P9Connection connected ? connected.save() : null);
        return new Saved(P9StateCodec.VERSION, P9StateCodec.encode(state));
    }

    @Override
    public DeviceSpec spec() {
        return spec;
    }

    @Override
    public void ended(@Nullable P9Operation operation, int errno, int asked, int answered) {
        P9Metrics current = metrics;
        if (current != null) {
            current.ended(operation, errno, asked, answered);
        }
    }

    /// A mount keeps its guest here, as with QEMU: whether each of its files is there on another host only shows when
    /// it is opened.
    @Override
    public Optional<String> blocker() {
        return server.isMounted()
                ? Optional.of(
                        "9pfs share %s is mounted (%d fids)".formatted(spec.tag(), server.fids()))
                : Optional.empty();
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
