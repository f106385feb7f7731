package io.xenemu.core.device;

import com.google.common.primitives.Bytes;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/// The input of a restored device. It gives first the input that was typed before the save and not taken, and then the
/// input of the host's end.
public final class TypedInput implements ByteSource {
    @GuardedBy("this")
    private final Queue<Byte> before;

    private final @Nullable HostConsole host;

    /// @param before input that was typed before the guest was saved
    /// @param host gives input that is typed from now on; null if there is none
    public TypedInput(List<Byte> before, @Nullable HostConsole host) {
        this.before = new ArrayDeque<>(before);
        this.host = host;
    }

    @Override
    public synchronized int poll(byte[] bytes, int offset, int length) {
        int count = 0;
        for (; count < length && !before.isEmpty(); count++) {
            bytes[offset + count] = before.remove();
        }
        return host == null || count == length
                ? count
                : count + host.input().poll(bytes, offset + count, length - count);
    }

    /// The input that the guest has not taken yet. It is not taken by this.
    public synchronized List<Byte> waiting() {
        List<Byte> waiting = new ArrayList<>(before);
        if (host != null) {
            waiting.addAll(Bytes.asList(host.typed()));
        }
        return List.copyOf(waiting);
    }
}
