package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A front end's end of one pair of rings, in plain memory.
final class P9PlainFront implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    final MemorySegment shared = arena.allocate(4096, 4096);
    final MemorySegment data;
    final int size;
    final AtomicInteger events = new AtomicInteger();
    private int outProd;
    private int inCons;

    P9PlainFront(int order) {
        this(order, 0);
    }

    /// @param start where the indices begin, for wraps
    P9PlainFront(int order, int start) {
        size = P9Queue.ringBytes(order);
        data = arena.allocate(2L * size, 4096);
        for (int index :
                new int[] {P9Queue.IN_CONS, P9Queue.IN_PROD, P9Queue.OUT_CONS, P9Queue.OUT_PROD}) {
            set(index, start);
        }
        outProd = start;
        inCons = start;
    }

    P9Queue attach() throws XenError {
        return P9Queue.attach(shared, data, P9Server.MSIZE_MAX, events::incrementAndGet);
    }

    /// The back end's side after a restore.
    P9Queue restore(P9State.Queue state, int flushes) {
        return P9Queue.restored(
                shared, data, P9Server.MSIZE_MAX, events::incrementAndGet, state, flushes);
    }

    void set(int index, int value) {
        shared.set(JAVA_INT, index, value);
    }

    int get(int index) {
        return shared.get(JAVA_INT, index);
    }

    /// Writes bytes of a request, and shows them to the back end.
    void send(byte[] bytes) {
        for (byte one : bytes) {
            data.set(JAVA_BYTE, size + (outProd & (size - 1)), one);
            outProd++;
        }
        set(P9Queue.OUT_PROD, outProd);
    }

    /// Takes the next whole answer; null if there is none.
    byte @Nullable [] receive() {
        int available = get(P9Queue.IN_PROD) - inCons;
        if (available == 0) {
            return null;
        }
        byte[] answer = new byte[available];
        for (int i = 0; i < available; i++) {
            answer[i] = data.get(JAVA_BYTE, (inCons + i) & (size - 1));
        }
        int bytes = ByteBuffer.wrap(answer).order(ByteOrder.LITTLE_ENDIAN).getInt();
        inCons += bytes;
        set(P9Queue.IN_CONS, inCons);
        return Arrays.copyOf(answer, bytes);
    }

    /// The tag of the next answer; -1 if there is none.
    int receiveTag() {
        byte[] answer = receive();
        return answer == null ? -1 : (answer[5] & 0xff) | ((answer[6] & 0xff) << 8);
    }

    @Override
    public void close() {
        arena.close();
    }
}
