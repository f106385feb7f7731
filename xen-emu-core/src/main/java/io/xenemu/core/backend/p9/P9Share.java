package io.xenemu.core.backend.p9;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.SavedConnection;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.file.Beneath;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// One folder of the host, shared with a guest.
final class P9Share implements BackendDevice.Used, BackendDevice.HandedOver, P9Observer {
    /// Linux uses two pairs of rings; more would only share the same workers.
    static final int RINGS_MAX = 8;

    private final P9Spec spec;
    private final MeterRegistry registry;
    private final P9Server server;
    private volatile @Nullable P9Metrics metrics;
    private volatile @Nullable P9Connection connection;

    private final SavedConnection<P9State.Connection> saved;

    /// Descriptors of files that another process had open, until the guest is connected again.
    private ImmutableIntArray received;

    /// Those of the files in the state that was saved last.
    private ImmutableIntArray leaving = ImmutableIntArray.of();

    /// @throws io.xenemu.kvm.abi.KvmException if the folder cannot be opened
    ///
    /// @param state of a share that was saved, or of a new one
    P9Share(P9State state, MeterRegistry registry) {
        spec = state.spec();
        saved = new SavedConnection<>("share", state.connection());
        this.registry = registry;
        received = ImmutableIntArray.of();
        server = new P9Server(P9Export.of(spec), this);
    }

    /// A share that another process had open.
    ///
    /// @param descriptors the folder's, and those of the state's files; taken over
    P9Share(P9State state, MeterRegistry registry, ImmutableIntArray descriptors) {
        spec = state.spec();
        saved = new SavedConnection<>("share", state.connection());
        this.registry = registry;
        server = new P9Server(P9Export.of(spec), this, descriptors.get(0));
        received = descriptors.subArray(1, descriptors.length());
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
        ImmutableIntArray files = received;
        received = ImmutableIntArray.of();
        P9Connection made = P9Connection.restore(front, server, this, saved.take(), files);
        connection = made;
        return made;
    }

    /// A mounted share is saved for another process of this host alone ([#blocker]): with its files, not their paths.
    @Override
    public Saved save(PvDevice device, @Nullable BackendConnection current) {
        P9HandedFids.Given given = server.isMounted() ? server.handOver() : null;
        leaving = given == null ? ImmutableIntArray.of() : given.descriptors();
        P9State state =
                new P9State(
                        spec.numbered(device.id()),
                        current instanceof P9Connection connected ? connected.save(given) : null);
        return new Saved(P9StateCodec.version(state), P9StateCodec.encode(state));
    }

    @Override
    public Optional<String> stays() {
        return Optional.empty();
    }

    @Override
    public ImmutableIntArray descriptors(@Nullable BackendConnection current) {
        return ImmutableIntArray.builder(1 + leaving.length())
                .add(server.root())
                .addAll(leaving)
                .build();
    }

    /// The other process has duplicates. Locks belong to the open files, and so stay.
    @Override
    public void handedOver() {
        leaving = ImmutableIntArray.of();
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
        received.forEach(Beneath::close);
        received = ImmutableIntArray.of();
        server.close();
        P9Metrics current = metrics;
        if (current != null) {
            current.close();
        }
    }
}
