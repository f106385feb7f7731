package io.xenemu.core.device;

import com.google.common.primitives.Bytes;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/// The input of one device over a save: first what had been typed when the guest was saved, and was not taken, then
/// what the host's end gives.
public final class TypedInput implements ByteSource {
    @GuardedBy("this")
    private final Queue<Byte> before;

    private final @Nullable HostConsole host;

    /// @param before what was typed before the guest was saved
    /// @param host gives what is typed from now on; null if nobody types
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

    /// What the guest has not taken, without taking it.
    public synchronized List<Byte> waiting() {
        List<Byte> waiting = new ArrayList<>(before);
        if (host != null) {
            waiting.addAll(Bytes.asList(host.typed()));
        }
        return List.copyOf(waiting);
    }
}
