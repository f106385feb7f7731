package io.xenemu.core.backend.block;

import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.backend.ring.RingLayout;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// The cost of one random read of 4 KiB from a file in the page cache, of 32 that a front end has put into its ring,
/// and of the system call alone; and the same for a page of 1 MiB that follows another on the disk and not in memory,
/// in 8 requests as Linux sends them. The ring is in plain memory, the data in a domain on a fake VM. Needs no
/// /dev/kvm; run as `DispatcherBenchmark`, with `-prof gc` for the bytes allocated.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class BlockQueueBenchmark {
    private static final int DEPTH = 32;
    private static final int PAGE = 4096;
    private static final int FILE_PAGES = 16384;
    private static final int SLOT = 112;
    private static final int PIECE_PAGES = 256;
    private static final int PIECE_REQUESTS = 8;
    private static final int REQUEST_PAGES = PIECE_PAGES / PIECE_REQUESTS;

    /// Pages that one transfer moves: neighbours become one until they have 256 KiB.
    private static final int TRANSFER_PAGES = 64;

    /// The distance in memory of pages that are neighbours on the disk; prime, so that each has its turn.
    private static final int STRIDE = 7;

    private final Path path = file();
    private final FileStore store = open(path);
    private final BlockFront front = front(store);
    private final MemorySegment ring = front.ring.page();
    private final Arena arena = Arena.ofShared();
    private final HostFile bare = HostFile.open(path, Set.of());
    private final IoVectors vectors = new IoVectors(arena, TRANSFER_PAGES);
    private final MemorySegment memory = arena.allocate((long) PIECE_PAGES * PAGE, PAGE);
    private final SplittableRandom random = new SplittableRandom(1);
    private int sent = front.ring.index(FrontRing.REQ_PROD);

    private static Path file() {
        try {
            Path path = Files.createTempFile(Path.of("/dev/shm"), "xen-block", ".img");
            return Files.write(path, new byte[FILE_PAGES * PAGE]);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static FileStore open(Path path) {
        try {
            return FileStore.open(path, false, false);
        } catch (Refused e) {
            throw new IllegalStateException(e);
        }
    }

    private static BlockFront front(FileStore store) {
        try {
            return new BlockFront(BlockAbi.X86_64, new BlockDisk(store, false, false, false, 512));
        } catch (BootException | XenError e) {
            throw new IllegalStateException(e);
        }
    }

    /// Fills the slots, of which only the sector changes afterwards, and the lists of indirect requests.
    @Setup(Level.Trial)
    public void prepare() throws XenError {
        for (int i = 0; i < DEPTH; i++) {
            long slot = slot(i);
            BlockFront.put(ring, slot + 24, BlockFront.Segment.page(i));
        }
        for (int i = 0; i < PIECE_PAGES; i++) {
            MemorySegment list = front.memory.segment(front.address(list(i)), PAGE);
            BlockFront.put(list, 8L * (i % REQUEST_PAGES), BlockFront.Segment.page(scattered(i)));
        }
    }

    private static long slot(int i) {
        return RingLayout.HEADER_BYTES + (long) i * SLOT;
    }

    /// The page with the list that has a page of the piece.
    private static int list(int page) {
        return PIECE_PAGES + page / REQUEST_PAGES;
    }

    private static int scattered(int page) {
        return page * STRIDE % PIECE_PAGES;
    }

    @TearDown(Level.Trial)
    public void close() throws IOException {
        front.close();
        store.close();
        bare.close();
        arena.close();
        Files.delete(path);
    }

    private long anyPage() {
        return random.nextInt(FILE_PAGES);
    }

    /// Writes 32 requests, has them served, and reads the answers.
    @Benchmark
    @OperationsPerInvocation(DEPTH)
    public int requests() {
        for (int i = 0; i < DEPTH; i++) {
            long slot = slot(i);
            // The answer of the last time is at the front of the slot.
            ring.set(ValueLayout.JAVA_LONG, slot, 1 << 8);
            ring.set(ValueLayout.JAVA_LONG, slot + 8, i);
            ring.set(ValueLayout.JAVA_LONG, slot + 16, anyPage() * (PAGE / 512));
            ring.set(ValueLayout.JAVA_INT, slot + 24, BlockFront.FIRST_REF + i);
        }
        return serve(DEPTH);
    }

    private int serve(int count) {
        int first = sent;
        sent += count;
        front.ring.setIndex(FrontRing.REQ_PROD, sent);
        front.queue.run();
        int failed = 0;
        for (int i = 0; i < count; i++) {
            failed |= ring.get(ValueLayout.JAVA_SHORT, slot((first + i) & (DEPTH - 1)) + 10);
        }
        if (front.ring.index(FrontRing.RSP_PROD) != sent || failed != 0) {
            throw new IllegalStateException("not all were served");
        }
        front.ring.setIndex(FrontRing.RSP_EVENT, sent + 1);
        return failed;
    }

    /// Writes the requests of 1 MiB, has them served, and reads the answers.
    @Benchmark
    @OperationsPerInvocation(PIECE_PAGES)
    public int pieces() {
        long page = (long) random.nextInt(FILE_PAGES / PIECE_PAGES) * PIECE_PAGES;
        for (int i = 0; i < PIECE_REQUESTS; i++) {
            long slot = slot((sent + i) & (DEPTH - 1));
            // BLKIF_OP_INDIRECT, which reads.
            ring.set(ValueLayout.JAVA_LONG, slot, 6 | (long) REQUEST_PAGES << 16);
            ring.set(ValueLayout.JAVA_LONG, slot + 8, i);
            ring.set(
                    ValueLayout.JAVA_LONG,
                    slot + 16,
                    (page + (long) i * REQUEST_PAGES) * (PAGE / 512));
            ring.set(
                    ValueLayout.JAVA_INT,
                    slot + 28,
                    BlockFront.FIRST_REF + list(i * REQUEST_PAGES));
        }
        return serve(PIECE_REQUESTS);
    }

    /// The same by system calls for as many pages each.
    @Benchmark
    @OperationsPerInvocation(PIECE_PAGES)
    public long pieceSystemCalls() {
        long page = (long) random.nextInt(FILE_PAGES / PIECE_PAGES) * PIECE_PAGES;
        long bytes = 0;
        for (int done = 0; done < PIECE_PAGES; done += TRANSFER_PAGES) {
            vectors.clear();
            for (int i = done; i < done + TRANSFER_PAGES; i++) {
                vectors.add(memory.address() + (long) scattered(i) * PAGE, PAGE);
            }
            bytes += bare.read(vectors, (page + done) * PAGE);
        }
        return bytes;
    }

    /// The same reads by the system call.
    @Benchmark
    @OperationsPerInvocation(DEPTH)
    public long systemCalls() {
        long bytes = 0;
        for (int i = 0; i < DEPTH; i++) {
            vectors.clear();
            vectors.add(memory.address() + (long) i * PAGE, PAGE);
            bytes += bare.read(vectors, anyPage() * PAGE);
        }
        return bytes;
    }
}
