package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageType;
import io.xenemu.xenstore.wire.RequestDecoder;
import io.xenemu.xenstore.wire.WireError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;

/// Nothing that a guest sends or writes into its page affects the others.
class HostilePropertyTest {
    @Property(tries = 2000)
    void arbitraryPayloadsAreDecodedOrRefused(
            @ForAll MessageType type,
            @ForAll @Size(max = 60) byte[] payload,
            @ForAll boolean printable) {
        byte[] data = payload.clone();
        if (printable) {
            for (int i = 0; i < data.length; i++) {
                data[i] = (byte) "/a1@nrTF\0\0-b".charAt(Math.floorMod(data[i], 12));
            }
        }
        try {
            assertEquals(
                    type,
                    RequestDecoder.decode(type, data, 0, data.length, Path.ofDomain(new DomId(3)))
                            .type());
        } catch (XenError e) {
            assertTrue(WireError.payload(e).length > 0);
        }
    }

    /// The guest's writes before an event: bytes into the request buffer, and index fields.
    @SuppressWarnings("ArrayRecordComponent") // not compared
    record Write(byte[] bytes, int at, List<Integer> indices, boolean valid) {}

    @Provide
    Arbitrary<List<Write>> writes() {
        Arbitrary<Integer> index =
                Arbitraries.oneOf(
                        Arbitraries.integers(),
                        Arbitraries.integers().between(0, 2100),
                        Arbitraries.integers().between(-5, 5));
        return Combinators.combine(
                        Arbitraries.bytes().array(byte[].class).ofMaxSize(200),
                        Arbitraries.integers().between(0, 1023),
                        index.list().ofSize(4),
                        Arbitraries.of(true, true, true, false))
                .as(Write::new)
                .list()
                .ofMinSize(1)
                .ofMaxSize(30);
    }

    @Property(tries = 500)
    void arbitraryRingContentsHarmNoOtherDomain(@ForAll("writes") List<Write> writes) {
        try (Rig rig = new Rig()) {
            Rig.Client dom0 = rig.client(0);
            Rig.Guest guest = rig.guest(3);
            dom0.ask(MessageType.WRITE, "/x\0kept");
            for (Write write : writes) {
                apply(guest.page, write);
                guest.connection.service();
                assertEquals("kept", dom0.ask(MessageType.READ, "/x\0"));
            }
            // However it went, the guest can start anew.
            guest.page.set(ValueLayout.JAVA_INT, 0x814, RingEnd.RECONNECT);
            guest.connection.service();
            assertEquals(0, guest.page.get(ValueLayout.JAVA_INT, 0x814));
            assertEquals(0, guest.page.get(ValueLayout.JAVA_INT, 0x818));
            assertEquals("OK\0", dom0.ask(MessageType.CONTROL, "check\0"));
        }
    }

    private static void apply(MemorySegment page, Write write) {
        for (int i = 0; i < write.bytes.length; i++) {
            // Small numbers make many headers plausible.
            byte b = write.valid ? (byte) (write.bytes[i] & 7) : write.bytes[i];
            page.set(ValueLayout.JAVA_BYTE, (write.at + i) & 1023, b);
        }
        if (write.valid) {
            int consumer = page.get(ValueLayout.JAVA_INT, 0x800);
            page.set(
                    ValueLayout.JAVA_INT,
                    0x804,
                    consumer + Math.floorMod(write.indices.getFirst(), 1025));
            page.set(ValueLayout.JAVA_INT, 0x808, page.get(ValueLayout.JAVA_INT, 0x80c));
        } else {
            for (int i = 0; i < 4; i++) {
                page.set(ValueLayout.JAVA_INT, 0x800 + 4 * i, write.indices.get(i));
            }
        }
    }
}
