package io.xenemu.core.device;

import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.concurrent.locks.ReentrantLock;

/// The back end's side of a PV console's ring. It shares a page with the guest, `struct xencons_interface` (Xen
/// public/io/console.h): a ring of 1024 bytes to the guest, and one of 2048 bytes from it. Indices count modulo 2^32.
///
/// No byte is lost. Output stays in the ring until the sink takes it, and input stays in the source until the ring has
/// room. The guest may write anything to the page at any time; an impossible index ends this console for good, and has
/// no other effect.
///
/// Thread-safe. Call [#service] for each event from the guest, whenever the sink has room again, and whenever the
/// source has data.
public final class ConsoleRing {
    private static final int IN_OFFSET = 0;
    private static final int IN_SIZE = 1024;
    private static final int OUT_OFFSET = 0x400;
    private static final int OUT_SIZE = 2048;
    private static final int IN_CONS = 0xc00;
    private static final int IN_PROD = 0xc04;
    private static final int OUT_CONS = 0xc08;
    private static final int OUT_PROD = 0xc0c;

    /// A byte that says whether somebody serves the ring: `XENCONSOLE_CONNECTED`, or 1 before that. Few front ends look
    /// at it.
    private static final int CONNECTION = 0xc10;

    private static final byte CONNECTED = 0;

    private static final VarHandle INDEX =
            ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    private final ReentrantLock lock = new ReentrantLock();
    private final MemorySegment page;
    private final ByteSink output;
    private final ByteSource input;
    private final Runnable notifyGuest;
    private final byte[] copy = new byte[OUT_SIZE];
    private int outCons;
    private int inProd;
    private boolean broken;
    private boolean held;
    private boolean closed;

    /// Attaches to a ring. A ring that is in use continues at its indices.
    ///
    /// @param page the console page, 4 KiB, shared with the guest
    /// @param output takes the guest's output
    /// @param input gives the guest's input
    /// @param notifyGuest sends the console's event to the guest; called without locks held
    public ConsoleRing(
            MemorySegment page, ByteSink output, ByteSource input, Runnable notifyGuest) {
        this(page, output, input, notifyGuest, ringOf(page));
    }

    private static ConsoleState.Ring ringOf(MemorySegment page) {
        requirePage(page);
        return new ConsoleState.Ring(
                (int) INDEX.getAcquire(page, (long) OUT_CONS),
                (int) INDEX.getAcquire(page, (long) IN_PROD),
                false);
    }

    private static void requirePage(MemorySegment page) {
        if (page.byteSize() != GuestMemory.PAGE_SIZE) {
            throw new IllegalArgumentException("console page of " + page.byteSize() + " bytes");
        }
    }

    /// Serves the ring of a restored guest. [#ConsoleRing(MemorySegment, ByteSink, ByteSource, Runnable)] has the
    /// other parameters.
    ///
    /// @param state from [#save]
    public ConsoleRing(
            MemorySegment page,
            ByteSink output,
            ByteSource input,
            Runnable notifyGuest,
            ConsoleState.Ring state) {
        requirePage(page);
        this.page = page;
        this.output = output;
        this.input = input;
        this.notifyGuest = notifyGuest;
        outCons = state.outConsumer();
        inProd = state.inProducer();
        broken = state.broken();
        page.set(ValueLayout.JAVA_BYTE, CONNECTION, CONNECTED);
    }

    /// The ring's state. The back end must be held.
    public ConsoleState.Ring save() {
        lock.lock();
        try {
            return new ConsoleState.Ring(outCons, inProd, broken);
        } finally {
            lock.unlock();
        }
    }

    /// Moves as many bytes as possible in both directions, and notifies the guest if any were moved.
    public void service() {
        if (move()) {
            notifyGuest.run();
        }
    }

    /// As [#service], and leaves it to the caller to notify the guest.
    ///
    /// @return whether any bytes were moved
    public boolean move() {
        lock.lock();
        try {
            boolean printed = isServed() && !held && drainOutput();
            boolean typed = isServed() && !held && fillInput();
            return printed || typed;
        } finally {
            lock.unlock();
        }
    }

    private boolean isServed() {
        return !broken && !closed;
    }

    /// Moves nothing until [#release]. When it returns, no thread moves bytes, but one that has moved some may still be
    /// about to notify the guest.
    public void hold() {
        lock.lock();
        try {
            held = true;
        } finally {
            lock.unlock();
        }
    }

    /// Moves bytes again, also those that have waited.
    public void release() {
        lock.lock();
        try {
            held = false;
        } finally {
            lock.unlock();
        }
        service();
    }

    /// Whether the guest has output that the sink has not taken yet.
    public boolean hasOutput() {
        lock.lock();
        try {
            return isServed() && (int) INDEX.getAcquire(page, (long) OUT_PROD) != outCons;
        } finally {
            lock.unlock();
        }
    }

    /// Stops using the page: it may be unmapped when this returns.
    public void close() {
        lock.lock();
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
    }

    /// Whether the guest broke the ring's rules, so that no bytes are moved any more.
    public boolean isBroken() {
        lock.lock();
        try {
            return broken;
        } finally {
            lock.unlock();
        }
    }

    /// Takes output, at most one ring full per call. A guest that prints without end notifies without end, so the rest
    /// is taken then.
    private boolean drainOutput() {
        int available = (int) INDEX.getAcquire(page, (long) OUT_PROD) - outCons;
        if (Integer.compareUnsigned(available, OUT_SIZE) > 0) {
            broken = true;
            return false;
        }
        int start = outCons & (OUT_SIZE - 1);
        int first = Math.min(available, OUT_SIZE - start);
        copyOut(OUT_OFFSET + start, 0, first);
        copyOut(OUT_OFFSET, first, available - first);
        int taken = available == 0 ? 0 : output.offer(copy, 0, available);
        outCons += taken;
        INDEX.setRelease(page, (long) OUT_CONS, outCons);
        return taken > 0;
    }

    private void copyOut(int from, int to, int length) {
        MemorySegment.copy(page, ValueLayout.JAVA_BYTE, from, copy, to, length);
    }

    private boolean fillInput() {
        int used = inProd - (int) INDEX.getAcquire(page, (long) IN_CONS);
        if (Integer.compareUnsigned(used, IN_SIZE) > 0) {
            broken = true;
            return false;
        }
        int given = input.poll(copy, 0, IN_SIZE - used);
        int start = inProd & (IN_SIZE - 1);
        int first = Math.min(given, IN_SIZE - start);
        copyIn(0, IN_OFFSET + start, first);
        copyIn(first, IN_OFFSET, given - first);
        inProd += given;
        INDEX.setRelease(page, (long) IN_PROD, inProd);
        return given > 0;
    }

    private void copyIn(int from, int to, int length) {
        MemorySegment.copy(copy, from, page, ValueLayout.JAVA_BYTE, to, length);
    }
}
