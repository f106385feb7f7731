package io.xenemu.core.trace;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.domain.DomainObserver;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// Records the events of one trace that are no hypercalls, on any thread, into a ring of their own. An event that does
/// not fit is lost and counted. Its monitor is a leaf, held for the copy of one record.
final class EventRecorder implements DomainObserver {
    /// The most bytes of an event's text. XenStore's longest path has 3072, of which this shows the most telling part.
    private static final int MAX_TEXT = 512;

    private final TraceFilter filter;
    private final long start;
    private final CallRing ring;
    private final byte[] bytes = new byte[RecordLayout.ACCESSES + MAX_TEXT];
    private final ByteBuffer record = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    private volatile long lost;

    /// @param start the trace's, of [System#nanoTime]
    EventRecorder(TraceFilter filter, long start, CallRing ring) {
        this.filter = filter;
        this.start = start;
        this.ring = ring;
    }

    /// The ring with the recorded events.
    CallRing ring() {
        return ring;
    }

    /// Events that were lost so far.
    long lost() {
        return lost;
    }

    @Override
    public void exited(VcpuId vcpu, ExitReason reason, long address, int bytes, boolean isWrite) {
        if (filter.takes(TraceKind.EXITS)) {
            String text =
                    bytes == 0
                            ? reason.name()
                            : "%s %s 0x%x, %d bytes"
                                    .formatted(reason, isWrite ? "write" : "read", address, bytes);
            record(
                    TraceKind.EXITS,
                    vcpu.value(),
                    text,
                    reason.number(),
                    address,
                    bytes,
                    isWrite ? 1 : 0);
        }
    }

    @Override
    public void upcall(VcpuId vcpu, int vector) {
        if (filter.takes(TraceKind.UPCALLS)) {
            String text = vector == 0 ? "callback" : "vector 0x%x".formatted(vector);
            record(TraceKind.UPCALLS, vcpu.value(), text, vector);
        }
    }

    @Override
    public void storeRequest(String request, String answer) {
        if (filter.takes(TraceKind.XENSTORE)) {
            record(TraceKind.XENSTORE, -1, request + " = " + answer);
        }
    }

    @Override
    public void grantBegun(int ref, int user, boolean isCopy) {
        if (filter.takes(TraceKind.GRANTS)) {
            String text =
                    "ref %d %s by domain %d"
                            .formatted(
                                    Integer.toUnsignedLong(ref),
                                    isCopy ? "copied" : "mapped",
                                    user);
            record(TraceKind.GRANTS, -1, text, ref, user);
        }
    }

    @Override
    public void grantEnded(int ref) {
        if (filter.takes(TraceKind.GRANTS)) {
            record(TraceKind.GRANTS, -1, "ref " + Integer.toUnsignedString(ref) + " ended", ref);
        }
    }

    @Override
    public void memoryChanged(long bytes, boolean isTarget) {
        record(
                TraceKind.CHANGES,
                -1,
                (isTarget ? "memory target " : "memory maximum ") + bytes + " bytes",
                isTarget ? TracedEvent.MEMORY_TARGET : TracedEvent.MAX_MEMORY,
                bytes);
    }

    /// Records an event.
    ///
    /// @param vcpu its index; -1 if none is concerned
    /// @param text shown after the name; may be cut
    /// @param numbers at most six
    @SuppressWarnings("NonAtomicOperationOnVolatileField") // one writer at a time; others only read
    private synchronized void record(TraceKind kind, int vcpu, String text, long... numbers) {
        byte[] utf8 = text.getBytes(UTF_8);
        int textBytes = Math.min(utf8.length, MAX_TEXT);
        int length = RecordLayout.ACCESSES + textBytes;
        long now = System.nanoTime() - start;
        record.clear();
        record.putInt(0, length);
        record.putShort(RecordLayout.VCPU, (short) (vcpu < 0 ? RecordLayout.NO_VCPU : vcpu));
        record.put(RecordLayout.FLAGS, (byte) RecordLayout.EVENT);
        record.put(RecordLayout.CPL, (byte) 0);
        record.putLong(RecordLayout.BEGIN, now);
        record.putLong(RecordLayout.END, now);
        record.putLong(RecordLayout.LOST, lost);
        record.putLong(RecordLayout.NUMBER, kind.code());
        for (int at = RecordLayout.PARAMETERS; at < RecordLayout.ACCESSES; at += Long.BYTES) {
            int i = (at - RecordLayout.PARAMETERS) / Long.BYTES;
            record.putLong(at, i < numbers.length ? numbers[i] : 0);
        }
        record.put(RecordLayout.ACCESSES, utf8, 0, textBytes);
        if (!ring.offer(bytes, length)) {
            lost++;
        }
    }
}
