package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DiskRates;
import io.xenemu.gnttab.BackendMappings;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// A front end that a test scripts, and the queue that serves it. The ring is in plain memory, the data in the pages
/// of a domain on a fake VM, whose references 9 and up are for frames 0x200 and up.
final class BlockFront implements AutoCloseable {
    static final int FIRST_REF = 9;
    static final int FIRST_FRAME = 0x200;
    static final int PAGES = 300;

    // `BLKIF_OP_READ` and the others of `public/io/blkif.h`.
    static final int READ = 0;
    static final int WRITE = 1;
    static final int BARRIER = 2;
    static final int FLUSH = 3;
    static final int DISCARD = 5;

    private static final long TABLE = 0x12_3000;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    /// A part of a page: sectors `first` to `last`.
    record Segment(int ref, int first, int last) {
        static Segment page(int page) {
            return new Segment(FIRST_REF + page, 0, 7);
        }
    }

    record Answer(long id, int operation, int status) {}

    final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    final TestDomain guest = new TestDomain(1);
    final GuestMemory memory = guest.memory();
    final BackendMappings grants = guest.domain().grantTable().backend();
    final FrontRing ring;
    BlockQueue queue;
    final BlockMetrics metrics;
    private final Arena arena = Arena.ofShared();
    private final BlockAbi abi;
    private final int id;
    private final int segments;
    private final AtomicInteger notifiedCount = new AtomicInteger();
    private final AtomicInteger wokenCount = new AtomicInteger();
    private final AtomicInteger brokenCount = new AtomicInteger();

    /// The time by which the queue's turns end, nanoseconds.
    final AtomicLong now = new AtomicLong();

    /// Called when the queue asks for another turn.
    volatile Runnable onWake = () -> {};

    /// The times after which the queue has asked to be woken.
    final List<Long> pauses = new CopyOnWriteArrayList<>();

    /// Runs at each event for the guest.
    volatile Runnable onNotify = () -> {};

    /// What the queue has told of the host's failures.
    final List<String> failures = new CopyOnWriteArrayList<>();

    BlockFront(BlockAbi abi, BlockDisk disk) throws BootException, XenError {
        this(abi, disk, 1);
    }

    BlockFront(BlockAbi abi, BlockDisk disk, int ringPages) throws BootException, XenError {
        this(abi, disk, ringPages, DiskRates.UNLIMITED);
    }

    BlockFront(BlockAbi abi, BlockDisk disk, int ringPages, DiskRates rates)
            throws BootException, XenError {
        this.abi = abi;
        this.id = abi == BlockAbi.X86_64 ? 8 : 4;
        this.segments = id + 16;
        ring = new FrontRing(arena, abi.layout(), ringPages, -7);
        metrics = new BlockMetrics(registry, TestDomain.ID, 51712);
        queue = serve(ring.served(arena), disk, rates);
        guest.domain().pages().mapGrantFrame(0, 0x123);
        for (int i = 0; i < PAGES; i++) {
            grant(FIRST_REF + i, FIRST_FRAME + i, false);
        }
    }

    private BlockQueue serve(SharedRing served, BlockDisk disk, DiskRates rates) {
        return new BlockQueue(
                served,
                abi,
                new QueueSurroundings(
                        disk,
                        new DiskThrottle(rates, System.nanoTime()),
                        grants,
                        metrics,
                        now::get),
                new QueueSignals() {
                    @Override
                    public void notifyGuest() {
                        notifiedCount.incrementAndGet();
                        onNotify.run();
                    }

                    @Override
                    public void wake() {
                        wokenCount.incrementAndGet();
                        onWake.run();
                    }

                    @Override
                    public void wakeAfter(long nanos) {
                        pauses.add(nanos);
                    }

                    @Override
                    public void broken() {
                        brokenCount.incrementAndGet();
                    }

                    @Override
                    public void failed(BlockOp op, int errno) {
                        failures.add(op + " " + Errno.name(errno));
                    }
                });
    }

    /// The state of its queue, which is drained or parked, as it is read from its bytes.
    BlockState.Queue saved() throws WireException {
        BlockState.Queue state =
                new BlockState.Queue(List.of(1), 2, queue.ring(), queue.requests());
        BlockState whole =
                new BlockState(
                        BlockStateCodecPropertyTest.STATE.spec(),
                        0,
                        DiskStore.SECTOR,
                        new BlockState.Connection(abi, List.of(state)));
        byte[] bytes = BlockStateCodec.encode(whole).toBytes();
        BlockState read = BlockStateCodec.decode(BlockStateCodec.VERSION, new BodyReader(bytes));
        return Objects.requireNonNull(read.connection()).queues().getFirst();
    }

    /// Has another queue go on, as in another service.
    void restore(BlockState.Queue state, BlockDisk disk) {
        queue = serve(ring.restored(arena, state.ring()), disk, DiskRates.UNLIMITED);
        queue.restore(state.requests());
    }

    int notified() {
        return notifiedCount.get();
    }

    int woken() {
        return wokenCount.get();
    }

    int broken() {
        return brokenCount.get();
    }

    /// Grants a frame to domain 0.
    void grant(int ref, int frame, boolean readOnly) throws XenError {
        memory.write32(TABLE + 8L * ref + 4, frame);
        memory.write32(TABLE + 8L * ref, readOnly ? 5 : 1);
    }

    void revoke(int ref) throws XenError {
        memory.write32(TABLE + 8L * ref, 0);
    }

    /// Whether the grant is marked as in use.
    boolean isPinned(int ref) throws XenError {
        return (memory.read32(TABLE + 8L * ref) & 0x18) != 0;
    }

    void assertNothingPinned() throws XenError {
        for (int i = 0; i < PAGES; i++) {
            assertTrue(!isPinned(FIRST_REF + i), "page " + i);
        }
    }

    long address(int page) {
        return (long) (FIRST_FRAME + page) << 12;
    }

    void fill(int page, int value) throws XenError {
        memory.fill(address(page), 4096, (byte) value);
    }

    /// Sends a request with segments in its slot.
    void send(int operation, long guestId, long sector, Segment... parts) {
        MemorySegment slot = ring.nextSlot();
        header(slot, operation, parts.length, guestId, sector);
        for (int i = 0; i < parts.length; i++) {
            put(slot, segments + 8L * i, parts[i]);
        }
        ring.send();
    }

    static void put(MemorySegment to, long offset, Segment part) {
        to.set(INT, offset, part.ref());
        to.set(ValueLayout.JAVA_BYTE, offset + 4, (byte) part.first());
        to.set(ValueLayout.JAVA_BYTE, offset + 5, (byte) part.last());
    }

    /// Sends a request whose segments are whole pages from `page` on, listed in the page `list`.
    void sendIndirect(int operation, long guestId, long sector, int list, int page, int count)
            throws XenError {
        MemorySegment listPage = memory.segment(address(list), 4096);
        for (int i = 0; i < Math.min(count, 512); i++) {
            put(listPage, 8L * i, Segment.page(page + i));
        }
        MemorySegment slot = ring.nextSlot();
        header(slot, 6, operation, guestId, sector);
        slot.set(SHORT, 2, (short) count);
        slot.set(INT, segments + 4L, FIRST_REF + list);
        ring.send();
    }

    void sendDiscard(long guestId, int flag, long sector, long count) {
        MemorySegment slot = ring.nextSlot();
        header(slot, 5, flag, guestId, sector);
        slot.set(LONG, segments, count);
        ring.send();
    }

    private void header(MemorySegment slot, int operation, int second, long guestId, long sector) {
        slot.fill((byte) 0);
        slot.set(ValueLayout.JAVA_BYTE, 0, (byte) operation);
        slot.set(ValueLayout.JAVA_BYTE, 1, (byte) second);
        slot.set(LONG, id, guestId);
        slot.set(LONG, id + 8L, sector);
    }

    Answer answer() {
        MemorySegment slot = ring.nextAnswer();
        for (int i = 12; i < abi.layout().answerBytes(); i++) {
            assertEquals(0, slot.get(ValueLayout.JAVA_BYTE, i), "padding");
        }
        return new Answer(
                slot.get(LONG, 0),
                Byte.toUnsignedInt(slot.get(ValueLayout.JAVA_BYTE, 8)),
                slot.get(SHORT, 10));
    }

    /// Has the queue serve one request, and checks its answer.
    void assertStatus(int status, int operation, long guestId) {
        assertTrue(queue.run());
        assertEquals(new Answer(guestId, operation, status), answer());
    }

    @Override
    public void close() {
        queue.close();
        metrics.close();
        guest.close();
        arena.close();
    }
}
