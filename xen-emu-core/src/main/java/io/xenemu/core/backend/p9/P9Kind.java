package io.xenemu.core.backend.p9;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.file.InvalidPathException;

/// Shares of folders of the host (`9pfs`).
public final class P9Kind implements BackendKind.Received {
    private final MeterRegistry registry;

    /// @param registry for meters
    public P9Kind(MeterRegistry registry) {
        this.registry = registry;
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.P9;
    }

    @Override
    public Handshake handshake() {
        return Handshake.INITIALISED;
    }

    @Override
    public BackendDevice open(DeviceSpec spec) throws Refused {
        P9Spec share = (P9Spec) spec;
        return open(new P9State(share, null));
    }

    @Override
    public BackendDevice.Savable reopen(int version, BodyReader body)
            throws WireException, Refused {
        P9State state = P9StateCodec.decode(version, body);
        if (state.files() != null) {
            throw new WireException("a mounted share without its files");
        }
        return open(state);
    }

    @Override
    public BackendDevice.Savable receive(
            int version, BodyReader body, ImmutableIntArray descriptors)
            throws WireException, Refused {
        boolean done = false;
        try {
            P9State state = P9StateCodec.decode(version, body);
            P9State.Files files = state.files();
            int expected = 1 + (files == null ? 0 : files.descriptors());
            if (descriptors.length() != expected) {
                throw new WireException(
                        "a share with %d descriptors for %d"
                                .formatted(descriptors.length(), expected));
            }
            P9Share share = new P9Share(state, registry, descriptors);
            done = true;
            return share;
        } catch (InvalidPathException e) {
            throw impossible();
        } finally {
            if (!done) {
                descriptors.forEach(Beneath::close);
            }
        }
    }

    private static Refused impossible() {
        return new Refused("the folder cannot be shared: its path has impossible characters");
    }

    @Override
    public String check(int version, BodyReader body, boolean trusts)
            throws WireException, Refused {
        P9Spec spec = P9StateCodec.decode(version, body).spec();
        open(new P9State(spec, null)).close();
        return spec.path() + " is a folder here";
    }

    @Override
    public BodyWriter encode(DeviceSpec spec) {
        return P9StateCodec.encode(new P9State((P9Spec) spec, null));
    }

    @Override
    public int version() {
        return P9StateCodec.VERSION;
    }

    @Override
    public DeviceSpec decode(int version, BodyReader body) throws WireException {
        return P9StateCodec.decode(version, body).spec();
    }

    private P9Share open(P9State state) throws Refused {
        try {
            return new P9Share(state, registry);
        } catch (InvalidPathException e) {
            throw impossible();
        } catch (KvmException e) {
            throw new Refused("the folder cannot be shared: " + e.getMessage());
        }
    }
}
