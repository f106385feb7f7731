package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.migration.DiskSink;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.IncomingRam;
import io.xenemu.core.migration.Pace;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.RoundWriter;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The content of a disk, which goes with its guest while that writes to it.
final class CopiedDiskPropertyTest {
    private static final int PAGE = 4096;
    private static final int BLOCK = 64 << 10;
    private static final int MOST_SECTORS = 20 * BLOCK / DiskStore.SECTOR;
    private static final int LONGEST = 3 * BLOCK;

    @TempDir private Path folder = Path.of("");

    /// A disk whose guest does something whenever the copy looks at it, and whose requests end at any time.
    private static final class BusyDisk extends ForwardingStore {
        private final MemoryStore memory;
        private final byte[] bytes;
        private final Random random;
        private final Arena arena = Arena.ofShared();

        /// A guest that writes less leaves more of what the copy has missed.
        private final int pause;

        private DiskStore guest = this;
        private boolean works;

        BusyDisk(MemoryStore memory, byte[] bytes, Random random) {
            super(memory);
            this.memory = memory;
            this.bytes = bytes;
            this.random = random;
            pause = 2 + random.nextInt(30);
        }

        /// Lets the guest work from now on.
        void begin(DiskStore through) {
            guest = through;
            works = true;
        }

        /// Ends all requests.
        void settle() {
            works = false;
            while (!memory.inProgress.isEmpty()) {
                memory.end(random.nextInt(memory.inProgress.size()));
            }
        }

        @Override
        public long nextData(long from) {
            step();
            int at = (int) from;
            while (at < bytes.length && bytes[at] == 0) {
                at++;
            }
            // Where a block of the file system begins.
            long data =
                    at == bytes.length
                            ? Long.MAX_VALUE
                            : Math.max(from, from + (at - from) / PAGE * PAGE);
            step();
            return data;
        }

        @Override
        public void submit(DiskTransfer transfer) {
            if (transfer.op() != DiskOp.READ) {
                super.submit(transfer);
                return;
            }
            step();
            memory.submit(transfer);
            memory.end(memory.inProgress.size() - 1);
            step();
        }

        private void step() {
            while (works && random.nextInt(pause) == 0) {
                if (!memory.inProgress.isEmpty() && random.nextBoolean()) {
                    memory.end(random.nextInt(memory.inProgress.size()));
                } else {
                    request();
                }
            }
        }

        void request() {
            int sectors = bytes.length / DiskStore.SECTOR;
            int first = random.nextInt(sectors);
            int most = Math.min(LONGEST / DiskStore.SECTOR, sectors - first);
            int length = (1 + random.nextInt(most)) * DiskStore.SECTOR;
            DiskOp op =
                    List.of(DiskOp.WRITE, DiskOp.WRITE, DiskOp.DISCARD, DiskOp.WRITE_ZEROES)
                            .get(random.nextInt(4));
            IoVectors vectors = new IoVectors(arena, 1);
            MemorySegment data = arena.allocate(length);
            data.fill((byte) random.nextInt(3));
            if (op == DiskOp.WRITE) {
                vectors.add(data.address(), length);
            }
            DiskTransfer transfer = new DiskTransfer(vectors, (_, _) -> {});
            transfer.set(op, (long) first * DiskStore.SECTOR, length);
            guest.submit(transfer);
        }

        @Override
        public void close() {
            if (arena.scope().isAlive()) {
                arena.close();
            }
        }
    }

    /// A disk at the other side.
    private static final class Target implements DiskSink {
        private final byte[] content;

        Target(int bytes) {
            content = new byte[bytes];
        }

        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public void write(long at, MemorySegment bytes) {
            MemorySegment.copy(
                    bytes,
                    ValueLayout.JAVA_BYTE,
                    0,
                    content,
                    (int) at,
                    Math.toIntExact(bytes.byteSize()));
        }

        @Override
        public void zero(long at, long count) {
            Arrays.fill(content, (int) at, (int) (at + count), (byte) 0);
        }

        @Override
        public void sync() {}
    }

    private static BitSet firstPage() {
        BitSet page = new BitSet();
        page.set(0);
        return page;
    }

    /// Between two rounds.
    private interface Between {
        void round(int number, RoundWriter rounds);
    }

    private static byte[] stream(
            List<OutgoingDisk> disks, int rounds, PageEncoding encoding, Between between)
            throws IOException, InterruptedException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (MemFd ram = MemFd.create("test-copied", PAGE)) {
            SaveWriter writer = new SaveWriter(Channels.newChannel(bytes), encoding);
            writer.guest(
                    new GuestSummary(
                            "web", DomId.of(1), new UUID(1, 2), 1, PAGE, Instant.ofEpochMilli(3)),
                    7,
                    new BodyWriter().u32(1));
            try (RoundWriter all =
                    writer.rounds(
                            new RamSource(ram, ram.map(0, PAGE)),
                            disks,
                            new WorkProgress(),
                            new Pace(0))) {
                for (int number = 1; number <= rounds; number++) {
                    long _ = all.write(firstPage(), (_, _) -> {});
                    between.round(number, all);
                }
                long _ = all.writeLast(new BitSet(), (_, _) -> {});
                writer.endRounds(all, new byte[] {1});
            }
            long _ = writer.end();
        }
        return bytes.toByteArray();
    }

    /// @return the rounds that were stored
    private static List<Integer> read(byte[] stream, List<? extends DiskSink> disks)
            throws IOException {
        List<Integer> stored = new ArrayList<>();
        try (SaveReader reader =
                        new SaveReader(Channels.newChannel(new ByteArrayInputStream(stream)));
                IncomingRam ram = new IncomingRam("web", PAGE, false)) {
            assertNotNull(reader.guest(FileContents.NONE));
            if (!reader.isLive()) {
                throw new WireException("not live");
            }
            reader.liveRam(_ -> ram, disks, stored::add, new WorkProgress());
            reader.rounds();
            long _ = reader.state().transferTo(OutputStream.nullOutputStream());
            reader.endRounds();
            assertNull(reader.guest(FileContents.NONE));
        }
        return stored;
    }

    private static ClaimedStore claimed(DiskStore store) throws Refused {
        return ClaimedStore.open(_ -> store, DiskSpec.parse(List.of("/none,raw,xvda,rw")));
    }

    /// Also with requests that began before the copy, and with those that end at any moment.
    @Property(tries = 150)
    void allThatTheGuestHasWrittenArrives(
            @ForAll long seed,
            @ForAll @IntRange(max = 4) int rounds,
            @ForAll @IntRange(min = 1, max = MOST_SECTORS) int sectors,
            @ForAll PageEncoding encoding)
            throws Exception {
        Random random = new Random(seed);
        byte[] content = new byte[sectors * DiskStore.SECTOR];
        for (int at = random.nextInt(BLOCK); at < content.length; at += BLOCK) {
            content[at] = (byte) random.nextInt(2);
        }
        MemoryStore memory = new MemoryStore(content);
        Target target = new Target(content.length);
        try (BusyDisk disk = new BusyDisk(memory, content, random);
                ClaimedStore store = claimed(disk)) {
            disk.begin(store);
            disk.request();
            disk.request();
            byte[] stream;
            try (OutgoingDisk copy = new OutgoingDisk(store)) {
                stream =
                        stream(
                                List.of(copy),
                                rounds,
                                encoding,
                                (number, _) -> {
                                    disk.step();
                                    if (number == rounds) {
                                        disk.settle();
                                    }
                                });
                if (rounds == 0) {
                    // The guest has not stood still.
                    return;
                }
                assertEquals(0, copy.written().count());
            }
            List<Integer> all = new ArrayList<>();
            for (int number = 1; number <= rounds + 1; number++) {
                all.add(number);
            }
            assertEquals(all, read(stream, List.of(target)));
            assertArrayEquals(content, target.content);
        }
    }

    @Test
    void nothingIsNotedWhenTheCopyHasEnded() throws Exception {
        byte[] content = new byte[BLOCK];
        MemoryStore memory = new MemoryStore(content);
        try (BusyDisk disk = new BusyDisk(memory, content, new Random(1));
                ClaimedStore store = claimed(disk)) {
            disk.begin(store);
            OutgoingDisk copy = new OutgoingDisk(store);
            byte[] _ = stream(List.of(copy), 0, PageEncoding.NONE, (_, _) -> {});
            disk.settle();
            long before = copy.written().count();
            copy.close();
            disk.request();
            disk.settle();
            assertEquals(before, copy.written().count());
        }
    }

    private Path file(String name, long bytes) throws IOException {
        Path path = folder.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
            file.seek(5 * BLOCK + 17);
            file.write(new byte[] {1, 2, 3});
            file.seek(bytes - 1);
            file.write(4);
        }
        return path;
    }

    private static long allocated(Path path) {
        try (HostFile file = HostFile.open(path, Set.of())) {
            return file.allocatedBytes();
        }
    }

    @Test
    void fileSystemWithoutLinksIsRefusedBeforeTheContentComes() throws Exception {
        Path target = folder.resolve("disk");
        IncomingFile.Links none =
                (name, _) -> {
                    throw new FileSystemException(name.toString(), null, "Operation not permitted");
                };
        assertEquals(
                "%1$s.incoming: a disk that comes needs a second name, and this file system gives it none: %1$s.incoming.next: Operation not permitted"
                        .formatted(target),
                assertThrows(Refused.class, () -> IncomingFile.make(target, BLOCK, false, none))
                        .reason());
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(List.of(), left.toList());
        }
        IncomingFile.make(target, BLOCK, false).close();
    }

    /// Of two disks, each with a size that is no multiple of a page.
    @Test
    void holesOfAFileStayHolesAndLaterZerosBecomeThem() throws Exception {
        List<ClaimedStore> stores = new ArrayList<>();
        List<OutgoingDisk> copies = new ArrayList<>();
        List<IncomingFile> targets = new ArrayList<>();
        long bytes = 300L * BLOCK + 512;
        for (String name : List.of("a", "b")) {
            Path path = file(name, bytes);
            stores.add(
                    ClaimedStore.open(
                            DiskOpener.RAW, DiskSpec.parse(List.of(path + ",raw,xvda,rw"))));
            copies.add(new OutgoingDisk(stores.getLast()));
            targets.add(IncomingFile.make(folder.resolve(name + "2"), bytes, false));
        }
        DiskTransfer discard =
                new DiskTransfer(
                        new IoVectors(Arena.ofAuto(), 1), (_, errno) -> assertEquals(0, errno));
        byte[] stream =
                stream(
                        copies,
                        1,
                        PageEncoding.ZSTD,
                        (_, rounds) -> {
                            discard.set(DiskOp.DISCARD, 5 * BLOCK, BLOCK);
                            stores.getLast().submit(discard);
                            assertEquals(BLOCK / PAGE, rounds.pagesOfDisks());
                        });
        assertTrue(stream.length < 4 * BLOCK, stream.length + " bytes");
        assertEquals(List.of(1, 2), read(stream, targets));
        for (IncomingFile target : targets) {
            target.complete();
            target.keep();
            target.close();
        }
        copies.forEach(OutgoingDisk::close);
        stores.forEach(ClaimedStore::close);
        for (String name : List.of("a", "b")) {
            assertEquals(
                    -1, Files.mismatch(folder.resolve(name), folder.resolve(name + "2")), name);
            assertTrue(allocated(folder.resolve(name + "2")) <= 3L * BLOCK, name);
        }
        assertTrue(
                allocated(folder.resolve("b2")) < allocated(folder.resolve("a2")),
                "what was discarded is a hole");
    }

    /// A CD-ROM that is at both hosts is not written.
    @Test
    void diskThatIsOnlyReadIsComparedWithTheOneThatIsThere() throws Exception {
        long bytes = 300L * BLOCK + 512;
        Path there = file("there", bytes);
        DiskSpec disk =
                DiskSpec.parse(List.of(file("a", bytes) + ",raw,xvda,ro"))
                        .withSector(DiskStore.SECTOR);
        byte[] stream;
        try (ClaimedStore store = ClaimedStore.open(DiskOpener.RAW, disk);
                OutgoingDisk copy = new OutgoingDisk(store)) {
            stream = stream(List.of(copy), 1, PageEncoding.ZSTD, (_, _) -> {});
        }
        DiskSpec same = DiskSpec.parse(List.of(there + ",raw,xvda,ro"));
        assertEquals(
                "%s is here already, is only read, and will be compared".formatted(there),
                DiskCopier.FILE.place(same, bytes, 0, false).found());
        try (BackendKind.IncomingDisk target = DiskCopier.FILE.copy(same, bytes, false)) {
            assertEquals(List.of(1, 2), read(stream, List.of(target)));
            target.complete();
        }
        // In a block that comes, and in one that does not.
        for (long at : List.of(5L * BLOCK + 18, 7L * BLOCK)) {
            try (RandomAccessFile changed = new RandomAccessFile(there.toFile(), "rw")) {
                changed.seek(at);
                int before = changed.read();
                changed.seek(at);
                changed.write(before + 1);
                try (BackendKind.IncomingDisk target = DiskCopier.FILE.copy(same, bytes, false)) {
                    assertEquals(
                            there + " is there already, and differs from the guest's disk",
                            assertThrows(IOException.class, () -> read(stream, List.of(target)))
                                    .getMessage());
                }
                changed.seek(at);
                changed.write(before);
            }
        }
        try (BackendKind.IncomingDisk target = DiskCopier.FILE.copy(same, bytes, false)) {
            assertEquals(List.of(1, 2), read(stream, List.of(target)));
        }
        assertEquals(-1, Files.mismatch(folder.resolve("a"), there));
        DiskSpec written = DiskSpec.parse(List.of(there + ",raw,xvda,rw"));
        assertThrows(Refused.class, () -> DiskCopier.FILE.copy(written, bytes, false));
        assertThrows(Refused.class, () -> DiskCopier.FILE.copy(same, bytes + 512, false));
    }

    @Test
    void imageOfAnotherFormatIsNotCopied() throws Exception {
        for (String spec : List.of("/x.qcow2,qcow2,xvda,rw", "nbd://host/x,raw,xvda,rw")) {
            DiskSpec disk = DiskSpec.parse(List.of(spec));
            assertEquals(
                    "%s has the format %s: only raw images are copied"
                            .formatted(disk.target(), disk.format()),
                    assertThrows(Refused.class, () -> BlockKind.requireRaw(disk)).reason());
        }
    }

    private static String refused(byte[] stream, DiskSink... disks) {
        return String.valueOf(
                assertThrows(WireException.class, () -> read(stream, List.of(disks))).getMessage());
    }

    @Test
    void diskThatWasNotAnnouncedIsRefused() throws Exception {
        byte[] content = new byte[BLOCK];
        content[7] = 1;
        byte[] stream;
        try (BusyDisk disk = new BusyDisk(new MemoryStore(content), content, new Random(1));
                ClaimedStore store = claimed(disk);
                OutgoingDisk copy = new OutgoingDisk(store)) {
            stream = stream(List.of(copy), 0, PageEncoding.NONE, (_, _) -> {});
        }
        String reason = "disk 0 of 65536 bytes in blocks of 65536 was not announced";
        assertEquals(reason, refused(stream));
        assertEquals(reason, refused(stream, new Target(2 * BLOCK)));
        assertEquals(List.of(1), read(stream, List.of(new Target(BLOCK))));
    }

    @Property(tries = 150)
    void damagedStreamIsRefused(@ForAll @IntRange int at, @ForAll boolean isCut) throws Exception {
        byte[] content = new byte[3 * BLOCK];
        content[BLOCK] = 1;
        byte[] stream;
        try (BusyDisk disk = new BusyDisk(new MemoryStore(content), content, new Random(1));
                ClaimedStore store = claimed(disk);
                OutgoingDisk copy = new OutgoingDisk(store)) {
            stream =
                    stream(
                            List.of(copy),
                            1,
                            PageEncoding.ZSTD,
                            (_, _) -> copy.written().wrote(0, 1));
        }
        int bit = Math.floorMod(at, stream.length * Byte.SIZE);
        byte[] damaged = isCut ? Arrays.copyOf(stream, bit / Byte.SIZE) : stream.clone();
        if (!isCut) {
            damaged[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
        }
        String _ = refused(damaged, new Target(3 * BLOCK));
    }
}
