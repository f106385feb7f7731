package io.xenemu.xenstore.ring;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// `struct xenstore_domain_interface` (`xen/io/xs_wire.h`) in a page that a guest can write at any time. Every field is
/// read once and atomically; an index is published after the bytes that it covers.
final class RingPage {
    /// Bytes of the structure.
    static final int SIZE = 0x81c;

    /// Bytes of each of the two buffers (`XENSTORE_RING_SIZE`).
    static final int BUFFER_SIZE = 1024;

    static final int CONNECTED = 0;
    static final int RECONNECT = 1;

    static final int ERROR_NONE = 0;
    static final int ERROR_RING_INDEX = 2;
    static final int ERROR_PROTOCOL = 3;

    private static final int INDEX_MASK = BUFFER_SIZE - 1;
    private static final long REQ = 0;
    private static final long RSP = 0x400;
    private static final long REQ_CONS = 0x800;
    private static final long REQ_PROD = 0x804;
    private static final long RSP_CONS = 0x808;
    private static final long RSP_PROD = 0x80c;
    private static final long SERVER_FEATURES = 0x810;
    private static final long CONNECTION = 0x814;
    private static final long ERROR = 0x818;

    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();

    private final MemorySegment page;

    RingPage(MemorySegment page) {
        this.page = page.asSlice(0, SIZE);
    }

    private int get(long offset) {
        return (int) INT.getAcquire(page, offset);
    }

    private void set(long offset, int value) {
        INT.setRelease(page, offset, value);
    }

    int requestConsumer() {
        return get(REQ_CONS);
    }

    int requestProducer() {
        return get(REQ_PROD);
    }

    int responseConsumer() {
        return get(RSP_CONS);
    }

    int responseProducer() {
        return get(RSP_PROD);
    }

    int connection() {
        return get(CONNECTION);
    }

    int features() {
        return get(SERVER_FEATURES);
    }

    int error() {
        return get(ERROR);
    }

    void setFeatures(int features) {
        set(SERVER_FEATURES, features);
    }

    void setRequestConsumer(int index) {
        set(REQ_CONS, index);
    }

    void setResponseProducer(int index) {
        set(RSP_PROD, index);
    }

    void setError(int error) {
        set(ERROR, error);
    }

    /// Empties both buffers, and tells the guest that it is connected, for which it may be waiting.
    ///
    /// @param features the server's features for it, bits of [io.xenemu.xenstore.wire.Features]
    void connect(int features) {
        set(REQ_CONS, 0);
        set(REQ_PROD, 0);
        set(RSP_CONS, 0);
        set(RSP_PROD, 0);
        set(SERVER_FEATURES, features);
        set(ERROR, ERROR_NONE);
        set(CONNECTION, CONNECTED);
    }

    /// Copies request bytes from stream position `index` on; the caller has checked that they have arrived.
    void readRequest(int index, byte[] target, int at, int length) {
        int first = Math.min(length, BUFFER_SIZE - (index & INDEX_MASK));
        MemorySegment.copy(
                page, ValueLayout.JAVA_BYTE, REQ + (index & INDEX_MASK), target, at, first);
        MemorySegment.copy(page, ValueLayout.JAVA_BYTE, REQ, target, at + first, length - first);
    }

    /// Copies bytes to response stream position `index` on; the caller has checked that there is room.
    void writeResponse(int index, byte[] source, int at, int length) {
        int first = Math.min(length, BUFFER_SIZE - (index & INDEX_MASK));
        MemorySegment.copy(
                source, at, page, ValueLayout.JAVA_BYTE, RSP + (index & INDEX_MASK), first);
        MemorySegment.copy(source, at + first, page, ValueLayout.JAVA_BYTE, RSP, length - first);
    }
}
