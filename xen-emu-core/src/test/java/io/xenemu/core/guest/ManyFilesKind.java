package io.xenemu.core.guest;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// A device that has folders open, in place of network interfaces. No guest connects to it.
final class ManyFilesKind implements BackendKind.Received {
    private final List<Path> folders;

    /// The reason for which its devices stay; empty if they do not.
    volatile String stays = "";

    /// What devices here have got of another process.
    final List<ImmutableIntArray> received = new CopyOnWriteArrayList<>();

    ManyFilesKind(List<Path> folders) {
        this.folders = folders;
    }

    static DeviceSpec spec() throws Refused {
        return NicSpec.parse(List.of("script=/bin/true"), new SplittableRandom(1));
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VIF;
    }

    @Override
    public Handshake handshake() {
        return Handshake.INITIALISED;
    }

    @Override
    public BackendDevice open(DeviceSpec spec) {
        int[] open = folders.stream().mapToInt(Beneath::openFolder).toArray();
        return new Device(spec, ImmutableIntArray.copyOf(open));
    }

    @Override
    public BackendDevice.Savable reopen(int version, BodyReader body) throws Refused {
        throw new Refused("its folders are lost");
    }

    @Override
    public BackendDevice.Savable receive(
            int version, BodyReader body, ImmutableIntArray descriptors)
            throws WireException, Refused {
        received.add(descriptors);
        return new Device(decode(version, body), descriptors);
    }

    @Override
    public BodyWriter encode(DeviceSpec spec) {
        return new BodyWriter().u32(spec.id().orElse(0));
    }

    @Override
    public int version() {
        return 1;
    }

    @Override
    public String check(int version, BodyReader body, boolean trusts) {
        return "nothing";
    }

    @Override
    public DeviceSpec decode(int version, BodyReader body) throws WireException {
        try {
            return spec().numbered(body.u32());
        } catch (Refused e) {
            throw new WireException(e.reason());
        }
    }

    private final class Device implements BackendDevice.HandedOver {
        private final DeviceSpec spec;
        private final ImmutableIntArray open;

        Device(DeviceSpec spec, ImmutableIntArray open) {
            this.spec = spec;
            this.open = open;
        }

        @Override
        public SequencedMap<String, String> features(PvDevice device) {
            return new LinkedHashMap<>();
        }

        @Override
        public BackendConnection connect(Frontend front) throws FrontendError {
            throw new FrontendError(XenError.EOPNOTSUPP, "nobody connects");
        }

        @Override
        public BackendConnection reconnect(Frontend front) throws FrontendError {
            return connect(front);
        }

        @Override
        public Optional<String> blocker() {
            return Optional.of("it is saved for another process alone");
        }

        @Override
        public Optional<String> stays() {
            return stays.isEmpty() ? Optional.empty() : Optional.of(stays);
        }

        @Override
        public Saved save(PvDevice device, @Nullable BackendConnection connection) {
            return new Saved(1, encode(spec.numbered(device.id())));
        }

        @Override
        public DeviceSpec spec() {
            return spec;
        }

        @Override
        public ImmutableIntArray descriptors(@Nullable BackendConnection connection) {
            return open;
        }

        @Override
        public void handedOver() {}

        @Override
        public void close() {
            open.forEach(Beneath::close);
        }
    }
}
