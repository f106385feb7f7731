package io.xenemu.core.backend.console;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.SavedConnection;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// One further console of a guest.
final class ConsoleBackend implements BackendDevice.Completing, BackendDevice.HandedOver {
    private final ConsoleSpec spec;
    private final MeterRegistry registry;
    private final ConsoleBytes bytes = new ConsoleBytes();
    private final String tty;
    private final ConsoleHost host;
    private @Nullable ConsoleMetrics metrics;

    private final SavedConnection<ConsoleDeviceState.Connection> saved;

    /// Opens the host's end.
    ///
    /// @param state of a console that was saved, or of a new one
    /// @param patience how long a reader that takes nothing holds the guest back
    /// @param received the descriptors of an end that another process of this service has opened, or null
    /// @throws Refused if it cannot be had
    ConsoleBackend(
            ConsoleDeviceState state,
            MeterRegistry registry,
            Duration patience,
            @Nullable ImmutableIntArray received)
            throws Refused {
        spec = state.spec();
        saved = new SavedConnection<>("console", state.connection());
        this.registry = registry;
        HostEvents events = new HostEvents();
        boolean done = false;
        try {
            HostEnd end = received == null ? open(spec, events) : received(spec, received, events);
            tty = end instanceof PtyEnd pty ? pty.name() : "";
            host = new ConsoleHost(end, events, bytes, spec.limit(), patience);
            host.restore(state);
            done = true;
        } finally {
            if (!done) {
                events.close();
            }
        }
    }

    private static HostEnd open(ConsoleSpec spec, HostEvents events) throws Refused {
        try {
            return switch (spec.connection()) {
                case PTY -> new PtyEnd(events);
                case SOCKET -> new SocketEnd(Path.of(spec.path()), events);
                case FILE -> new FileEnd(Path.of(spec.path()), spec.maxSize());
            };
        } catch (IOException e) {
            throw new Refused(IoReason.of(e));
        }
    }

    private static HostEnd received(
            ConsoleSpec spec, ImmutableIntArray descriptors, HostEvents events) throws Refused {
        return switch (spec.connection()) {
            case PTY -> new PtyEnd(descriptors, events);
            case SOCKET -> new SocketEnd(Path.of(spec.path()), descriptors, events);
            case FILE -> new FileEnd(Path.of(spec.path()), spec.maxSize(), descriptors);
        };
    }

    /// With the path of its pseudo terminal.
    @Override
    public DeviceSpec completed(DeviceSpec given) {
        return ((ConsoleSpec) given).withTty(tty);
    }

    @Override
    public SequencedMap<String, String> features(PvDevice device) {
        if (metrics == null) {
            metrics = new ConsoleMetrics(registry, device, bytes, host::keptBytes);
        }
        return new LinkedHashMap<>();
    }

    @Override
    public BackendConnection connect(Frontend front) throws FrontendError {
        return ConsoleConnection.connect(front, host);
    }

    @Override
    public BackendConnection reconnect(Frontend front) throws FrontendError {
        return ConsoleConnection.restore(front, host, saved.take());
    }

    @Override
    public Saved save(PvDevice device, @Nullable BackendConnection connection) {
        ConsoleDeviceState state =
                new ConsoleDeviceState(
                        spec.numbered(device.id()),
                        Bytes.asList(host.savedOutput()),
                        Bytes.asList(host.savedInput()),
                        connection instanceof ConsoleConnection current ? current.save() : null);
        return new Saved(ConsoleDeviceStateCodec.VERSION, ConsoleDeviceStateCodec.encode(state));
    }

    @Override
    public DeviceSpec spec() {
        return spec;
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
    public ImmutableIntArray descriptors(@Nullable BackendConnection connection) {
        return host.descriptors();
    }

    @Override
    public void handedOver() {
        host.handedOver();
    }

    @Override
    public void close() {
        host.close();
        ConsoleMetrics current = metrics;
        if (current != null) {
            current.close();
        }
    }
}
