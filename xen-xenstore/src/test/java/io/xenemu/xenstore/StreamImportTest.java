package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.CONTROL;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.io.Resources;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.stream.MigrationStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A store that C xenstored 4.17 has written for its live update, served by ours.
class StreamImportTest {
    private static final DomId DOM3 = new DomId(3);

    private final Rig rig = new Rig();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment page = arena.allocate(4096, 8);

    @BeforeEach
    void domainsExist() {
        rig.existing.addAll(List.of(DOM3, new DomId(4)));
    }

    @AfterEach
    void close() {
        rig.close();
        arena.close();
    }

    private static XenStoreState dump() throws IOException {
        URL file = Resources.getResource(MigrationStream.class, "c-xenstored-4.17.hex");
        String hex = Resources.toString(file, StandardCharsets.US_ASCII);
        return MigrationStream.decode(HexFormat.of().parseHex(hex.replaceAll("\\s", "")));
    }

    private Ring ring(XenStoreState.DomainState domain) {
        boolean third = domain.domain().equals(DOM3);
        MemorySegment memory = third ? page : arena.allocate(4096, 8);
        return new Ring(memory, () -> {}, Rig::unexpected, domain.gfn(), domain.port());
    }

    @Test
    void importedGuestContinuesWhereItWas() throws Exception {
        XenStoreState state = dump().withoutSockets().without(DomId.DOM0);
        RingEnd guest =
                new RingEnd(
                        page,
                        Objects.requireNonNull(rig.server.restore(state, this::ring).get(DOM3)));
        byte[] rest = guest.consume(19);
        assertEquals("/event-26\0relative\0", new String(rest, StandardCharsets.US_ASCII));
        guest.send("ta\0".getBytes(StandardCharsets.US_ASCII), 3);
        List<Rig.Reply> received = guest.receive();
        assertEquals("data/event-31\0relative\0", received.get(received.size() - 2).text());
        assertEquals(new Rig.Reply(READ.code(), 9, 0, ""), received.getLast());

        Rig.Client tool = rig.client(0);
        assertEquals("guest", tool.ask(READ, "/local/domain/3/name\0"));
        assertEquals("n3\0r4\0b0\0", tool.ask(GET_PERMS, "/local/domain/3\0"));
        assertEquals("n0\0r3\0", tool.ask(GET_PERMS, "@releaseDomain\0"));
        assertEquals("OK\0", tool.ask(CONTROL, "check\0"));
        tool.ask(WRITE, "/local/domain/3/data/more\0x");
        rig.server.release(new DomId(4));
        List<Rig.Reply> events = guest.receive();
        assertEquals("data/more\0relative\0", events.getFirst().text());
        assertEquals("@releaseDomain\0gone\0", events.getLast().text());
    }

    @Test
    void importedStateIsSavedAsItWas() throws Exception {
        XenStoreState state = dump().withoutSockets().without(DomId.DOM0);
        rig.server.restore(state, this::ring);
        XenStoreState saved = rig.server.save();
        assertEquals(state.domains().size(), saved.domains().size());
        assertEquals(3, saved.domains().getFirst().port());
        assertEquals(DOM3, saved.domains().getLast().target());
        assertArrayEquals(
                XenStoreCodec.encode(MigrationStream.decode(MigrationStream.encode(saved, 2)))
                        .toBytes(),
                XenStoreCodec.encode(saved).toBytes());
    }

    @Test
    void unusableStatesAreRefusedBeforeAnyChange() throws Exception {
        XenStoreState sockets = dump().without(DomId.DOM0);
        XenStoreState ring = dump().withoutSockets();
        for (XenStoreState state : List.of(sockets, ring)) {
            XenError refused =
                    assertThrows(XenError.class, () -> rig.server.restore(state, this::ring));
            assertEquals(XenError.EINVAL, refused);
        }
        assertEquals("ENOENT", rig.client(0).ask(READ, "/local\0"));
        assertTrue(rig.server.save().domains().isEmpty());
    }
}
