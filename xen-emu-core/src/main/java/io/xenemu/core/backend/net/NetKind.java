package io.xenemu.core.backend.net;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.Refused;

/// Network interfaces that the service serves on taps of the host. A service has one: it knows the taps in use.
public final class NetKind implements BackendKind {
    private final MeterRegistry registry;
    private final TapNames taps = new TapNames();

    /// @param registry for meters
    public NetKind(MeterRegistry registry) {
        this.registry = registry;
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VIF;
    }

    @Override
    public Handshake handshake() {
        return Handshake.CONNECTED;
    }

    @Override
    public BackendDevice open(DeviceSpec spec) throws Refused {
        if (!(spec instanceof NicSpec nic)) {
            throw new IllegalArgumentException("not a network interface: " + spec);
        }
        if (NetBackend.isBuiltIn(nic)
                && !nic.forScript().keySet().stream().allMatch("vifname"::equals)) {
            throw new Refused(
                    "%s needs a script: give script=PATH"
                            .formatted(
                                    String.join(
                                            ", ",
                                            nic.forScript().keySet().stream()
                                                    .filter(key -> !key.equals("vifname"))
                                                    .toList())));
        }
        return new NetBackend(nic, taps, registry);
    }
}
