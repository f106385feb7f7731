package io.xenemu.core.domain;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.FrameReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/// The frames of a saved state, each exactly once, in any order. Those that are optional may be missing.
public final class SavedFrames {
    private final Map<Integer, FrameReader.Handler> handlers = new HashMap<>();
    private final Set<Integer> optional = new HashSet<>();

    /// Reads the body of one frame.
    ///
    /// @param <T> the state in it
    @FunctionalInterface
    public interface Decoder<T> {
        /// Reads the body.
        ///
        /// @throws WireException for a version or content that cannot be used
        T decode(int version, BodyReader body) throws WireException;
    }

    /// Requires one more frame.
    ///
    /// @return gives its state once [#read] has read all
    public <T> Supplier<T> add(int type, Decoder<T> decoder) {
        Frame<T> frame = new Frame<>();
        handlers.put(
                type, (version, body) -> frame.values = List.of(decoder.decode(version, body)));
        return () -> frame.values.getFirst();
    }

    /// Accepts one more frame, which earlier versions of the service did not write.
    ///
    /// @param otherwise the state if there is none
    /// @return gives its state once [#read] has read all
    public <T> Supplier<T> addOptional(int type, Decoder<T> decoder, T otherwise) {
        Frame<T> frame = new Frame<>();
        frame.values = List.of(otherwise);
        handlers.put(
                type, (version, body) -> frame.values = List.of(decoder.decode(version, body)));
        optional.add(type);
        return () -> frame.values.getFirst();
    }

    /// The types of all frames.
    public Set<Integer> types() {
        return Collections.unmodifiableSet(handlers.keySet());
    }

    /// Reads a whole stream.
    ///
    /// @param whole puts the frames' states together; throws [IllegalArgumentException] if they contradict each other
    /// @throws WireException if a frame is missing, occurs twice or is unknown, or the states cannot be used
    public <T> T read(InputStream stream, Supplier<T> whole) throws IOException {
        new FrameReader(stream).readEachOnce(handlers, optional);
        try {
            return whole.get();
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    /// One frame's state, once it was read.
    private static final class Frame<T> {
        private List<T> values = List.of();
    }
}
