package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.WireException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The kinds of devices that the service serves, and what they say of devices that were saved or are on another host.
public final class DeviceKinds {
    /// What is done with saved devices, for messages.
    private static final String RESTORED = "restored";

    private static final String COPIED = "copied";

    private final Map<DeviceKind, BackendKind> kinds = new EnumMap<>(DeviceKind.class);
    private final HostCalls hostCalls;

    /// @param kinds each once
    /// @param hostCalls for calls that may wait for the host
    DeviceKinds(List<BackendKind> kinds, HostCalls hostCalls) {
        this.hostCalls = hostCalls;
        for (BackendKind kind : kinds) {
            if (this.kinds.put(kind.kind(), kind) != null) {
                throw new IllegalArgumentException("two kinds of " + kind.kind());
            }
        }
    }

    /// The kind that serves devices; null if none does.
    @Nullable BackendKind get(DeviceKind kind) {
        return kinds.get(kind);
    }

    /// The saved form of a device's specification.
    ///
    /// @param spec of a device that any domain serves
    /// @throws Refused if its kind cannot be saved
    public SavedSpec saved(DeviceSpec spec) throws Refused {
        if (kinds.get(spec.kind()) instanceof BackendKind.Savable kind) {
            byte[] body = kind.encode(spec).toBytes();
            SavedSpec saved = new SavedSpec(spec.kind(), kind.version(), Bytes.asList(body));
            if (spec(saved).equals(spec)) {
                return saved;
            }
        }
        throw new Refused(
                "a device of the kind %s from %s cannot be saved"
                        .formatted(spec.kind().directory(), spec.backend()));
    }

    /// The specification in its saved form.
    ///
    /// @throws Refused if it cannot be used
    public DeviceSpec spec(SavedSpec saved) throws Refused {
        BackendKind.Savable kind = kind(saved, BackendKind.Savable.class, RESTORED);
        return decoded(saved, RESTORED, () -> kind.decode(saved.version(), saved.reader()));
    }

    /// The kind of a saved device.
    ///
    /// @param done what cannot be done with other kinds
    private <T> T kind(SavedSpec saved, Class<T> type, String done) throws Refused {
        BackendKind kind = kinds.get(saved.kind());
        if (kind == null || !type.isInstance(kind)) {
            throw new Refused(
                    "a device of the kind %s cannot be %s"
                            .formatted(saved.kind().directory(), done));
        }
        return type.cast(kind);
    }

    /// A use of a saved device's body.
    @FunctionalInterface
    private interface Decoding<T> {
        T get() throws WireException, Refused;
    }

    private static <T> T decoded(SavedSpec saved, String done, Decoding<T> decoding)
            throws Refused {
        try {
            return decoding.get();
        } catch (WireException e) {
            throw new Refused(
                    "a device of the kind %s cannot be %s: %s"
                            .formatted(saved.kind().directory(), done, e.getMessage()));
        }
    }

    /// Checks that a device of another host could be had here.
    ///
    /// @param trusts whether the operator answers for it that both hosts see the same storage
    /// @return what was found, in one line for an operator
    /// @throws Refused with one line for the operator: the host has not what it needs
    public String check(SavedSpec saved, boolean trusts) throws Refused {
        BackendKind.Savable kind = kind(saved, BackendKind.Savable.class, RESTORED);
        String found =
                asked(
                        saved,
                        RESTORED,
                        () -> kind.check(saved.version(), saved.reader(), trusts),
                        _ -> {});
        return saved.kind().directory() + ": " + found;
    }

    /// Checks that a copy of a disk of another host could be made here.
    ///
    /// @param bytes that it takes there, without its holes
    /// @param replaces whether the copy may take the place of a file that is there
    /// @throws Refused with one line for the operator
    public BackendKind.CopyPlace place(SavedSpec saved, long bytes, boolean replaces)
            throws Refused {
        BackendKind.Copied kind = kind(saved, BackendKind.Copied.class, COPIED);
        return asked(
                saved,
                COPIED,
                () -> kind.place(saved.version(), saved.reader(), bytes, replaces),
                _ -> {});
    }

    /// Begins a copy of a disk of another host.
    ///
    /// @param replaces as for [#place]
    /// @throws Refused with one line for the operator
    public BackendKind.IncomingDisk incoming(SavedSpec saved, boolean replaces) throws Refused {
        BackendKind.Copied kind = kind(saved, BackendKind.Copied.class, COPIED);
        return asked(
                saved,
                COPIED,
                () -> kind.copy(saved.version(), saved.reader(), replaces),
                BackendKind.IncomingDisk::close);
    }

    /// The answer of the host about a saved device, for which it is waited with a limit.
    ///
    /// @param late takes an answer that comes after the limit
    private <T> T asked(SavedSpec saved, String done, Decoding<T> decoding, Consumer<T> late)
            throws Refused {
        return hostCalls.make(() -> decoded(saved, done, decoding), late);
    }

    /// The handshake of a kind that is served.
    Handshake handshake(DeviceKind kind) {
        return Objects.requireNonNull(kinds.get(kind)).handshake();
    }
}
