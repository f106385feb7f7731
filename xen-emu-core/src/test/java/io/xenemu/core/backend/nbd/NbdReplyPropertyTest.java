package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.block.DiskOp;
import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.jspecify.annotations.Nullable;

/// Whatever bytes a server sends, nothing but an [NbdException] comes of it, and no memory is written but that of reads
/// under way.
class NbdReplyPropertyTest {
    private static final int READ = 2048;
    private static final byte GUARD = 0x5a;

    /// Bytes of a server, in pieces of any length.
    private static final class Bytes implements NbdInput {
        private final ByteBuffer bytes;
        private final int piece;

        Bytes(byte[] bytes, int piece) {
            this.bytes = ByteBuffer.wrap(bytes);
            this.piece = piece;
        }

        @Override
        public long receive(IoVectors into) {
            int count = (int) Math.min(Math.min(piece, bytes.remaining()), into.bytes());
            if (count > 0) {
                byte[] part = new byte[count];
                bytes.get(part);
                try (Arena arena = Arena.ofConfined()) {
                    into.copyIn(0, arena.allocateFrom(ValueLayout.JAVA_BYTE, part), 0, count);
                }
                into.skip(count);
            }
            return count;
        }
    }

    /// Requests 1 to 3: a read, a write and a block status.
    private static final class Requests implements ReplyReader.Requests {
        final Map<Long, NbdRequest> open = new HashMap<>();
        final MemorySegment memory;

        Requests(Arena arena) {
            memory = arena.allocate(4096 + 4096, 4096);
            memory.fill(GUARD);
            IoVectors vectors = new IoVectors(arena, 2);
            vectors.add(memory.address() + 512, READ / 2);
            vectors.add(memory.address() + 4096, READ / 2);
            DiskTransfer transfer = new DiskTransfer(vectors, (_, _) -> {});
            transfer.set(DiskOp.READ, 4096, READ);
            add(1, NbdProtocol.CMD_READ, 4096, READ, transfer);
            add(2, NbdProtocol.CMD_WRITE, 0, READ, transfer);
            add(3, NbdProtocol.CMD_BLOCK_STATUS, 4096, READ, transfer).extents = new NbdExtents();
        }

        private NbdRequest add(
                long cookie, int command, long offset, int length, DiskTransfer transfer) {
            NbdRequest request = new NbdRequest().set(command, offset, length, 0, transfer);
            request.part = length;
            request.cookie = cookie;
            open.put(cookie, request);
            return request;
        }

        @Override
        public @Nullable NbdRequest find(long cookie) {
            return open.get(cookie);
        }

        @Override
        public void answered(NbdRequest request, int errno) {
            assertTrue(errno >= 0);
            assertTrue(open.remove(request.cookie, request), "answered once");
        }

        void checkGuards() {
            for (long i = 0; i < memory.byteSize(); i++) {
                boolean isOfRead =
                        (i >= 512 && i < 512 + READ / 2) || (i >= 4096 && i < 4096 + READ / 2);
                if (!isOfRead) {
                    assertEquals(GUARD, memory.get(ValueLayout.JAVA_BYTE, i), "byte " + i);
                }
            }
        }
    }

    private static NbdExport export(boolean structured) {
        return new NbdExport(1 << 20, FakeNbdServer.FLAGS, 1, 4096, 1 << 20, structured, 7);
    }

    @Provide
    Arbitrary<byte[]> replies() {
        Arbitrary<byte[]> any = Arbitraries.bytes().array(byte[].class).ofMaxSize(40);
        Arbitrary<byte[]> simple =
                Combinators.combine(
                                Arbitraries.of(0, 5, 22, 108, -1),
                                Arbitraries.longs().between(0, 4))
                        .as((error, cookie) ->
                                ByteBuffer.allocate(16)
                                        .putInt(NbdProtocol.SIMPLE_REPLY_MAGIC)
                                        .putInt(error)
                                        .putLong(cookie)
                                        .array());
        Arbitrary<Integer> lengths =
                Arbitraries.oneOf(
                        Arbitraries.of(0, 6, 8, 12, 14, 20, 8 + READ, 8 + READ / 2, -1),
                        Arbitraries.integers().between(0, 3000));
        Arbitrary<Long> offsets =
                Arbitraries.oneOf(
                        Arbitraries.of(4096L, 4096L + READ / 2, 4095L, 0L, -1L, Long.MIN_VALUE),
                        Arbitraries.longs().between(4000, 4096 + READ));
        Arbitrary<byte[]> chunk =
                Combinators.combine(
                                Arbitraries.of(0, 1, 0xffff),
                                Arbitraries.of(0, 1, 2, 5, 6, 0x8001, 0x8002, 0x7fff),
                                Arbitraries.longs().between(0, 4),
                                lengths,
                                offsets,
                                Arbitraries.bytes())
                        .as((flags, type, cookie, length, offset, fill) -> {
                            int payload = Math.clamp(length, 0, 3000);
                            byte[] all = new byte[20 + payload];
                            java.util.Arrays.fill(all, fill);
                            ByteBuffer buffer =
                                    ByteBuffer.wrap(all)
                                            .putInt(NbdProtocol.STRUCTURED_REPLY_MAGIC)
                                            .putShort((short) (int) flags)
                                            .putShort((short) (int) type)
                                            .putLong(cookie)
                                            .putInt(length);
                            if (payload >= 8) {
                                buffer.putLong(type == 5 ? 7L << 32 | READ : offset);
                            }
                            return all;
                        });
        return Arbitraries.oneOf(any, simple, chunk, chunk, chunk)
                .list()
                .ofMaxSize(12)
                .map(NbdReplyPropertyTest::joined);
    }

    private static byte[] joined(List<byte[]> parts) {
        ByteBuffer all = ByteBuffer.allocate(parts.stream().mapToInt(part -> part.length).sum());
        parts.forEach(all::put);
        return all.array();
    }

    @Property(tries = 2000)
    void replies(@ForAll("replies") byte[] bytes, @ForAll boolean structured, @ForAll byte piece)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Requests requests = new Requests(arena);
            Bytes input = new Bytes(bytes, 1 + Byte.toUnsignedInt(piece));
            ReplyReader reader =
                    new ReplyReader(new ReplyBuffer(arena, input), export(structured), requests);
            try {
                while (true) {
                    reader.readOne();
                }
            } catch (NbdException _) {
                // As it has to be.
            }
            requests.checkGuards();
        }
    }

    @Provide
    Arbitrary<byte[]> greetings() {
        Arbitrary<byte[]> any = Arbitraries.bytes().array(byte[].class).ofMaxSize(60);
        Arbitrary<byte[]> option =
                Combinators.combine(
                                Arbitraries.of(8, 10, 7, 1),
                                Arbitraries.of(1, 3, 4, 2, 0x80000001, 0x80000006, 0x80000005),
                                Arbitraries.oneOf(
                                        Arbitraries.of(-1, 1 << 20),
                                        Arbitraries.integers().between(0, 40)),
                                Arbitraries.of(0, 3, 1, 99))
                        .as((number, type, length, info) -> {
                            int data = Math.clamp(length, 0, 40);
                            ByteBuffer buffer =
                                    ByteBuffer.allocate(20 + Math.max(2, data))
                                            .putLong(NbdProtocol.OPTION_REPLY_MAGIC)
                                            .putInt(number)
                                            .putInt(type)
                                            .putInt(length);
                            buffer.putShort((short) (int) info);
                            return java.util.Arrays.copyOf(buffer.array(), 20 + data);
                        });
        return Combinators.combine(
                        Arbitraries.integers().between(0, 9),
                        Arbitraries.oneOf(any, option, option, option).list().ofMaxSize(12))
                .as((wrong, parts) -> {
                    byte[] hello =
                            ByteBuffer.allocate(18)
                                    .putLong(NbdProtocol.MAGIC)
                                    .putLong(NbdProtocol.OPTION_MAGIC)
                                    .putShort((short) (wrong == 0 ? 2 : 3))
                                    .array();
                    return joined(List.of(hello, joined(parts)));
                });
    }

    @Property(tries = 2000)
    void greetings(@ForAll("greetings") byte[] bytes, @ForAll byte piece) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Bytes input = new Bytes(bytes, 1 + Byte.toUnsignedInt(piece));
            try {
                NbdExport export =
                        NbdHandshake.negotiate(
                                new ReplyBuffer(arena, input), _ -> {}, "disk", true);
                assertTrue(export.size() >= 0);
                assertTrue(export.minimumBlock() >= 1 && export.maximumPayload() >= 512);
                assertEquals(0, export.maximumPayload() % export.minimumBlock());
            } catch (NbdException e) {
                assertEquals(1, e.getMessage().lines().count());
            }
        }
    }
}
