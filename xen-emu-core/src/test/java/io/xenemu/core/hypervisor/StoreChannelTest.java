package io.xenemu.core.hypervisor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.evtchn.EventChannelMetrics;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventEnvironment;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.GuestPages;
import io.xenemu.evtchn.KernelPorts;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.ring.RequestObserver;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.DataInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A running domain that a host tool releases and introduces again, by the requests of the tool and the events of the
/// guest.
class StoreChannelTest {
    private static final DomId GUEST = new DomId(3);
    private static final int RESPONSES = 0x400;
    private static final int REQUEST_PRODUCER = 0x804;
    private static final int RESPONSE_PRODUCER = 0x80c;

    @TempDir private Path folder = Path.of("");

    private final Arena arena = Arena.ofShared();
    private final MemorySegment page = arena.allocate(4096, 8);
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final ServicePorts service = new ServicePorts(this::find, registry);
    private final EventChannels guest =
            new EventChannels(
                    GUEST,
                    EvtchnOptions.of(1),
                    new EventEnvironment(
                            this::find,
                            KernelPorts.none(),
                            _ -> {},
                            GuestPages.none(),
                            new PortAccount(ServicePorts.LIMIT),
                            Assertions::fail),
                    new EventChannelMetrics(registry, GUEST));
    private final StoreChannel channel =
            new StoreChannel(GUEST, guest, page, service, Assertions::fail, RequestObserver.NONE);
    private final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT, new World(), new XenStoreMetrics(registry), Runnable::run);

    private final class World implements GuestDomains {
        @Override
        public boolean exists(DomId domain) {
            return domain.value() == 0 || domain.equals(GUEST);
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            return channel.introduced(gfn, port);
        }

        @Override
        public void released(DomId domain) {
            channel.released();
        }
    }

    private @Nullable EventChannels find(DomId domain) {
        return domain.equals(DomId.DOM0) ? service.channels() : guest;
    }

    @BeforeEach
    void introduce() throws IOException {
        guest.setSharedInfo(arena.allocate(4096, 4096), GuestWidth.BITS_64);
        channel.introduce(store);
        store.listen(folder.resolve("socket"));
    }

    @AfterEach
    void close() {
        store.close();
        arena.close();
    }

    /// Asks as a host tool does; returns the reply's payload.
    private String tool(MessageType type, String payload) throws IOException {
        try (SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            socket.connect(UnixDomainSocketAddress.of(folder.resolve("socket")));
            socket.write(ByteBuffer.wrap(message(type, payload)));
            DataInputStream in = new DataInputStream(Channels.newInputStream(socket));
            byte[] header = in.readNBytes(MessageHeader.SIZE);
            return text(in.readNBytes(MessageHeader.length(header, 0)));
        }
    }

    private static byte[] message(MessageType type, String payload) {
        byte[] body = payload.getBytes(StandardCharsets.ISO_8859_1);
        byte[] message = new byte[MessageHeader.SIZE + body.length];
        MessageHeader.put(message, 0, type, 1, 0, body.length);
        System.arraycopy(body, 0, message, MessageHeader.SIZE, body.length);
        return message;
    }

    private static String text(byte[] payload) {
        return new String(payload, StandardCharsets.ISO_8859_1).replace("\0", "");
    }

    /// The guest's path as XenStore answers it: the guest asks in an empty ring and sends an event. Empty for no
    /// answer.
    private String guestAsks(EvtchnPort port) throws XenError {
        byte[] request = message(MessageType.GET_DOMAIN_PATH, "3\0");
        MemorySegment.copy(request, 0, page, ValueLayout.JAVA_BYTE, 0, request.length);
        page.set(ValueLayout.JAVA_INT, REQUEST_PRODUCER, request.length);
        guest.send(port);
        int answered = page.get(ValueLayout.JAVA_INT, RESPONSE_PRODUCER);
        int length = Math.max(answered - MessageHeader.SIZE, 0);
        return text(
                page.asSlice(RESPONSES + MessageHeader.SIZE, length)
                        .toArray(ValueLayout.JAVA_BYTE));
    }

    private String introduceAgain(EvtchnPort port) throws IOException {
        return tool(
                MessageType.INTRODUCE,
                "3\0" + GuestMemoryMap.XENSTORE_GFN + "\0" + port.value() + "\0");
    }

    private void assertServed(EvtchnPort port) throws XenError {
        assertEquals("/local/domain/3", guestAsks(port));
    }

    @Test
    void releasedDomainIsServedAgainByItsFrameAndPort() throws Exception {
        EvtchnPort port = channel.guestPort();
        assertEquals("OK", tool(MessageType.RELEASE, "3\0"));
        page.fill((byte) 0);
        assertEquals("", guestAsks(port));
        assertEquals("OK", introduceAgain(port));
        assertServed(port);
    }

    @Test
    void releaseClosesDomain0sEndAndTheGuestsWaitsForItAgain() throws Exception {
        EvtchnPort port = channel.guestPort();
        VcpuId vcpu = new VcpuId(0);
        assertTrue(guest.status(DomId.SELF, port) instanceof EvtchnStatus.Interdomain);

        assertEquals("OK", tool(MessageType.RELEASE, "3\0"));
        assertEquals(new EvtchnStatus.Unbound(vcpu, DomId.DOM0), guest.status(DomId.SELF, port));

        // The guest gives such a port up, and another one takes its place.
        guest.close(port);
        EvtchnPort next = guest.allocUnbound(DomId.SELF, DomId.DOM0);
        assertEquals("OK", introduceAgain(next));
        assertServed(next);
    }

    @Test
    void introducedDomainIsServedByAnotherPortThatItHasAllocated() throws Exception {
        EvtchnPort before = channel.guestPort();
        EvtchnPort next = guest.allocUnbound(DomId.SELF, DomId.DOM0);
        assertEquals("OK", introduceAgain(next));
        assertEquals(next, channel.guestPort());
        assertServed(next);
        guest.close(before);
        assertEquals("OK", introduceAgain(next));
        assertServed(next);
    }

    @Test
    void heldDomainIsNeitherReleasedNorIntroducedAgain() throws Exception {
        EvtchnPort port = channel.guestPort();
        assertServed(port);
        channel.hold();
        byte[] before = page.toArray(ValueLayout.JAVA_BYTE);
        assertEquals("EBUSY", introduceAgain(port));
        assertEquals("EBUSY", tool(MessageType.RELEASE, "3\0"));
        assertArrayEquals(before, page.toArray(ValueLayout.JAVA_BYTE));

        channel.proceed();
        assertEquals("OK", introduceAgain(port));
        assertServed(port);
    }

    @Test
    void otherFramesAndPortsAreRefusedAndTheRingIsServedOn() throws Exception {
        EvtchnPort port = channel.guestPort();
        assertEquals("EINVAL", introduceAgain(new EvtchnPort(port.value() + 1)));
        assertEquals("OK", tool(MessageType.RELEASE, "3\0"));
        assertEquals("EINVAL", tool(MessageType.INTRODUCE, "3\0" + "17\0" + port.value() + "\0"));
        assertThrows(XenError.class, () -> channel.introduced(GuestMemoryMap.XENSTORE_GFN, -1));
        assertEquals("OK", introduceAgain(port));
        assertEquals("EINVAL", introduceAgain(new EvtchnPort(port.value() + 1)));
        assertServed(port);
    }
}
