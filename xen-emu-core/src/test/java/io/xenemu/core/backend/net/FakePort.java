package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/// The host's end in plain memory. Frames have their header in front.
final class FakePort implements FramePort {
    final List<byte[]> sent = new ArrayList<>();
    final Deque<byte[]> toReceive = new ArrayDeque<>();

    /// The result of sends, if not 0.
    long refusal;

    /// The result of the next receive, if not 0.
    long fault;

    /// How often it was asked for a frame.
    int asked;

    /// Whether it has no room.
    boolean isFull;

    @Override
    public boolean canSend() {
        return !isFull;
    }

    @Override
    public boolean flush() {
        return false;
    }

    @Override
    @SuppressWarnings("restricted")
    public long send(IoVectors frame) {
        if (refusal != 0) {
            return refusal;
        }
        byte[] bytes = new byte[(int) frame.bytes()];
        int at = 0;
        for (int i = 0; i < frame.count(); i++) {
            MemorySegment part = memory(frame, i);
            MemorySegment.copy(part, JAVA_BYTE, 0, bytes, at, (int) part.byteSize());
            at += (int) part.byteSize();
        }
        sent.add(bytes);
        return bytes.length;
    }

    @Override
    public long receive(IoVectors frame) {
        asked++;
        if (fault != 0) {
            long result = fault;
            fault = 0;
            return result;
        }
        byte[] bytes = toReceive.poll();
        if (bytes == null) {
            return -Errno.EAGAIN;
        }
        int at = 0;
        for (int i = 0; i < frame.count() && at < bytes.length; i++) {
            MemorySegment part = memory(frame, i);
            int count = (int) Math.min(part.byteSize(), bytes.length - at);
            MemorySegment.copy(bytes, at, part, JAVA_BYTE, 0, count);
            at += count;
        }
        return at;
    }

    @SuppressWarnings("restricted")
    private static MemorySegment memory(IoVectors frame, int element) {
        return MemorySegment.ofAddress(frame.address(element)).reinterpret(frame.length(element));
    }

    /// A sent frame without its header.
    byte[] frame(int index) {
        byte[] both = sent.get(index);
        return java.util.Arrays.copyOfRange(both, VnetHeader.BYTES, both.length);
    }
}
