package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.net.NetInterface;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;

/// Network interfaces that the service serves on taps of the host, and through passt. A service has one: it knows the
/// taps in use.
public final class NetKind implements BackendKind.Received {
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
        NicSpec nic = (NicSpec) spec;
        String forScript =
                nic.forScript().keySet().stream()
                        .filter(key -> !key.equals("vifname"))
                        .collect(Collectors.joining(", "));
        if (NetBackend.isBuiltIn(nic) && !forScript.isEmpty()) {
            throw new Refused("%s needs a script: give script=PATH".formatted(forScript));
        }
        return new NetBackend(new NetState(nic, null), taps, registry);
    }

    @Override
    public BackendDevice.Savable reopen(int version, BodyReader body) throws WireException {
        return new NetBackend(NetStateCodec.decode(version, body), taps, registry);
    }

    /// A tap that is there already was connected by whoever has made it.
    @Override
    public String check(int version, BodyReader body, boolean trusts)
            throws WireException, Refused {
        NicSpec nic = NetStateCodec.decode(version, body).spec();
        if (nic.passt().isPresent()) {
            return nic.mac() + " is connected by passt";
        }
        if (!NetBackend.isBuiltIn(nic)) {
            if (!Files.isExecutable(Path.of(nic.scriptPath()))) {
                throw new Refused(nic.scriptPath() + ": no such script here");
            }
            return "%s is connected by %s".formatted(nic.mac(), nic.scriptPath());
        }
        String tap = nic.forScript().getOrDefault("vifname", "");
        if (isHere(tap)) {
            return "the tap %s is here for %s".formatted(tap, nic.mac());
        }
        if (!nic.bridge().isEmpty() && !isHere(nic.bridge())) {
            throw new Refused("there is no bridge %s here".formatted(nic.bridge()));
        }
        return "the bridge %s is here for %s".formatted(nic.bridge(), nic.mac());
    }

    private static boolean isHere(String name) {
        return NetInterface.isName(name) && new NetInterface(name).exists();
    }

    @Override
    public BackendDevice.Savable receive(
            int version, BodyReader body, ImmutableIntArray descriptors) throws WireException {
        return new NetBackend(NetStateCodec.decode(version, body), taps, registry, descriptors);
    }

    @Override
    public BodyWriter encode(DeviceSpec spec) {
        return NetStateCodec.encode(new NetState((NicSpec) spec, null));
    }

    @Override
    public int version() {
        return NetStateCodec.VERSION;
    }

    @Override
    public DeviceSpec decode(int version, BodyReader body) throws WireException {
        return NetStateCodec.decode(version, body).spec();
    }
}
