package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ByteChannel;
import java.nio.channels.Pipe;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Messages of a migration.
final class MigrationMessagePropertyTest {
    private static final Duration LONG = Duration.ofMinutes(5);

    private static final GuestSummary WEB =
            new GuestSummary(
                    "web", DomId.of(7), new UUID(5, 6), 2, 1L << 33, Instant.ofEpochMilli(99));

    private static final List<MigrationMessage.BodyBytes> DEVICES =
            List.of(
                    MigrationMessage.BodyBytes.of(new BodyWriter().u16(9)),
                    MigrationMessage.BodyBytes.of(new BodyWriter()));

    private static final MigrationMessage.Needs NO_DEVICE =
            new MigrationMessage.Needs(0, false, false, List.of());

    private static final List<MigrationMessage> ALL =
            List.of(
                    new MigrationMessage.Hello(
                            1,
                            new UUID(3, -4),
                            WEB,
                            3,
                            MigrationMessage.BodyBytes.of(new BodyWriter().u32(1).u8(2)),
                            true,
                            MigrationMessage.Needs.UNKNOWN,
                            List.of()),
                    new MigrationMessage.Accept(1, "xen-emu 1", ""),
                    new MigrationMessage.Refuse("the name is in use"),
                    new MigrationMessage.Ready(),
                    new MigrationMessage.Go(),
                    new MigrationMessage.Running(),
                    new MigrationMessage.Recover(new UUID(5, -6)),
                    new MigrationMessage.Need(70_000),
                    new MigrationMessage.Page(0, ByteBuffer.allocate(0)),
                    new MigrationMessage.Page(5, ByteBuffer.wrap(new byte[] {1, 2})),
                    hello(
                            2,
                            new MigrationMessage.Needs(2_400_000, false, true, DEVICES),
                            List.of()),
                    new MigrationMessage.Accept(2, "xen-emu 2", "memory\ndisk"),
                    hello(
                            4,
                            NO_DEVICE,
                            List.of(
                                    new MigrationMessage.Comer(
                                            new GuestSummary(
                                                    "db",
                                                    DomId.of(8),
                                                    new UUID(7, 8),
                                                    1,
                                                    1L << 30,
                                                    Instant.ofEpochMilli(98)),
                                            4,
                                            MigrationMessage.BodyBytes.of(new BodyWriter().u16(3)),
                                            NO_DEVICE))),
                    new MigrationMessage.Stored(7),
                    withCopies(List.of(new MigrationMessage.Copy(1, 1L << 40))),
                    new MigrationMessage.Hello(
                            6,
                            new UUID(3, -4),
                            WEB,
                            3,
                            MigrationMessage.BodyBytes.of(new BodyWriter().u32(1)),
                            false,
                            NO_DEVICE,
                            List.of(),
                            16),
                    new MigrationMessage.Accept(6, "xen-emu 6", "memory", new UUID(7, -8)),
                    new MigrationMessage.Join(new UUID(7, -8), 2));

    private static MigrationMessage.Hello withCopies(List<MigrationMessage.Copy> copies) {
        return hello(
                5,
                new MigrationMessage.Needs(2_400_000, false, false, DEVICES, true, copies),
                List.of());
    }

    private static MigrationMessage.Hello hello(
            int version, MigrationMessage.Needs needs, List<MigrationMessage.Comer> others) {
        return new MigrationMessage.Hello(
                version,
                new UUID(3, -4),
                WEB,
                3,
                MigrationMessage.BodyBytes.of(new BodyWriter().u32(1)),
                false,
                needs,
                others);
    }

    /// A pipe to oneself.
    private static final class Loop implements ByteChannel {
        private final Pipe pipe;

        Loop() throws IOException {
            pipe = Pipe.open();
        }

        @Override
        public int read(ByteBuffer bytes) throws IOException {
            return pipe.source().read(bytes);
        }

        @Override
        public int write(ByteBuffer bytes) throws IOException {
            return pipe.sink().write(bytes);
        }

        @Override
        public boolean isOpen() {
            return pipe.source().isOpen();
        }

        void end() throws IOException {
            pipe.sink().close();
        }

        @Override
        public void close() throws IOException {
            pipe.sink().close();
            pipe.source().close();
        }
    }

    @Test
    void eachMessageArrives() throws IOException {
        try (Loop loop = new Loop()) {
            MigrationLink link = new MigrationLink(loop);
            for (MigrationMessage message : ALL) {
                link.send(message);
                assertEquals(message, link.receive(LONG));
            }
        }
    }

    /// It is refused by its number, not for what it has in addition.
    @Test
    void newerVersionIsRead() throws IOException {
        MigrationMessage.Hello newer =
                new MigrationMessage.Hello(
                        MigrationMessage.VERSION + 1,
                        new UUID(1, 2),
                        WEB,
                        3,
                        MigrationMessage.BodyBytes.of(new BodyWriter()),
                        false,
                        NO_DEVICE,
                        List.of());
        BodyWriter body = newer.body().string("more");
        MigrationMessage read = MigrationMessage.read(newer.type(), new BodyReader(body.toBytes()));
        assertEquals(MigrationMessage.VERSION + 1, ((MigrationMessage.Hello) read).version());
    }

    @Test
    void copyOfADeviceThatIsNotThereIsRefused() {
        for (List<MigrationMessage.Copy> copies :
                List.of(
                        List.of(new MigrationMessage.Copy(2, 0)),
                        List.of(new MigrationMessage.Copy(0, 0), new MigrationMessage.Copy(0, 0)),
                        List.of(new MigrationMessage.Copy(0, -1)))) {
            MigrationMessage hello = withCopies(copies);
            assertThrows(
                    WireException.class,
                    () ->
                            MigrationMessage.read(
                                    hello.type(), new BodyReader(hello.body().toBytes())));
        }
    }

    @Property(tries = 500)
    void arbitraryBytesAreRefused(@ForAll @Size(max = 200) byte[] bytes) throws IOException {
        try (Loop loop = new Loop()) {
            loop.write(ByteBuffer.wrap(bytes));
            loop.end();
            assertThrows(WireException.class, () -> new MigrationLink(loop).receive(LONG));
        }
    }

    @Property(tries = 300)
    void damagedMessageIsRefused(@ForAll @IntRange int at, @ForAll @IntRange(max = 11) int which)
            throws IOException {
        try (Loop loop = new Loop()) {
            new MigrationLink(loop).send(ALL.get(which));
            ByteBuffer sent = ByteBuffer.allocate(4096);
            loop.read(sent);
            byte[] bytes = new byte[sent.flip().remaining()];
            sent.get(bytes);
            int bit = Math.floorMod(at, bytes.length * Byte.SIZE);
            bytes[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
            loop.write(ByteBuffer.wrap(bytes));
            loop.end();
            assertThrows(WireException.class, () -> new MigrationLink(loop).receive(LONG));
        }
    }

    /// Otherwise a damaged length in front of a decision would cost a guest that stands still the whole limit.
    @Test
    @Timeout(60)
    void nobodyWaitsForALongerBodyThanAMessageHas() throws IOException {
        for (int type : List.of(MigrationMessage.READY, MigrationMessage.REFUSE, 99)) {
            try (Loop loop = new Loop()) {
                loop.write(
                        ByteBuffer.allocate(3 * Integer.BYTES)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .put("XMSG".getBytes(StandardCharsets.US_ASCII))
                                .putInt(type)
                                .putInt(1 << 19)
                                .flip());
                assertEquals(
                        "a message's length is wrong",
                        assertThrows(
                                        WireException.class,
                                        () -> new MigrationLink(loop).receive(LONG))
                                .getMessage());
            }
        }
    }

    @Test
    void silenceEndsTheConnection() throws IOException {
        try (Loop loop = new Loop()) {
            MigrationLink link = new MigrationLink(loop);
            assertThrows(SocketTimeoutException.class, () -> link.receive(Duration.ofMillis(1)));
        }
    }
}
