package io.xenemu.core.backend.console;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Further consoles of guests, and channels (`console`).
public final class ConsoleKind implements BackendKind.Received {
    private final MeterRegistry registry;
    private final Duration patience;

    /// @param registry for meters
    public ConsoleKind(MeterRegistry registry) {
        this(registry, ConsoleHost.PATIENCE);
    }

    /// @param patience how long a reader that takes nothing holds a guest back
    ConsoleKind(MeterRegistry registry, Duration patience) {
        this.registry = registry;
        this.patience = patience;
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.CONSOLE;
    }

    @Override
    public Handshake handshake() {
        return Handshake.INITIALISED;
    }

    @Override
    public BackendDevice open(DeviceSpec spec) throws Refused {
        return open(ConsoleDeviceState.ofNew((ConsoleSpec) spec), null);
    }

    @Override
    public BackendDevice.Savable reopen(int version, BodyReader body)
            throws WireException, Refused {
        return open(ConsoleDeviceStateCodec.decode(version, body), null);
    }

    @Override
    public BackendDevice.Savable receive(
            int version, BodyReader body, ImmutableIntArray descriptors)
            throws WireException, Refused {
        return open(ConsoleDeviceStateCodec.decode(version, body), descriptors);
    }

    @Override
    public String check(int version, BodyReader body, boolean trusts) throws WireException {
        return "%s is opened when the guest comes"
                .formatted(ConsoleDeviceStateCodec.decode(version, body).spec().name());
    }

    @Override
    public BodyWriter encode(DeviceSpec spec) {
        return ConsoleDeviceStateCodec.encode(ConsoleDeviceState.ofNew((ConsoleSpec) spec));
    }

    @Override
    public int version() {
        return ConsoleDeviceStateCodec.VERSION;
    }

    @Override
    public DeviceSpec decode(int version, BodyReader body) throws WireException {
        return ConsoleDeviceStateCodec.decode(version, body).spec();
    }

    private ConsoleBackend open(ConsoleDeviceState state, @Nullable ImmutableIntArray received)
            throws Refused {
        try {
            return new ConsoleBackend(state, registry, patience, received);
        } catch (KvmException e) {
            throw new Refused("the console cannot be had: " + e.getMessage());
        }
    }
}
