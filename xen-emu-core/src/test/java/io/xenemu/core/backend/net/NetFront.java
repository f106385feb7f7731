package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// Linux's front end of a network interface in small: connects with one queue, sends and receives. Its grants are 9 and
/// 10 for the rings, [#FIRST_REF] and so on for the pages that it has posted, and the next one for what it sends.
final class NetFront {
    /// Pages for frames to the guest.
    static final int POSTED = 32;

    /// The grant of the first of them.
    static final int FIRST_REF = 20;

    /// The page for what it sends, behind the posted ones.
    static final long SENT = 0x240 + POSTED;

    /// The id of each request to send.
    static final int ID = 7;

    private static final long RINGS = 0x200;
    private static final long DATA = SENT - POSTED;
    private static final int ETHERNET = 14;

    private final ServedGuest guest;

    /// The ring of frames from the guest, new with each [#publish].
    FrontRing tx;

    /// The ring of frames to it.
    FrontRing rx;

    /// The port on which it sends an event after each frame.
    EvtchnPort port = EvtchnPort.NONE;

    NetFront(ServedGuest guest) throws XenError {
        this.guest = guest;
        tx = new FrontRing(page(RINGS), Netif.TX_RING, 0);
        rx = new FrontRing(page(RINGS + 1), Netif.RX_RING, 0);
    }

    /// The same front end in the restored guest.
    NetFront(ServedGuest guest, NetFront before) throws XenError {
        this.guest = guest;
        tx = new FrontRing(page(RINGS), before.tx);
        rx = new FrontRing(page(RINGS + 1), before.rx);
        port = before.port;
    }

    MemorySegment page(long gfn) throws XenError {
        return guest.domain().memory().page(gfn);
    }

    /// Publishes one queue, with pages posted.
    ///
    /// @param directory of the queue, with a slash; empty for the front end's own
    void publish(PvDevice device, String directory) throws XenError {
        tx = new FrontRing(page(RINGS), Netif.TX_RING, 0);
        rx = new FrontRing(page(RINGS + 1), Netif.RX_RING, 0);
        for (int i = 0; i < POSTED; i++) {
            MemorySegment slot = rx.nextSlot();
            slot.set(JAVA_SHORT_UNALIGNED, 0, (short) i);
            slot.set(JAVA_INT_UNALIGNED, 4, guest.grant(FIRST_REF + i, DATA + i).value());
            rx.send();
        }
        port = guest.unboundPort();
        guest.write(device, directory + "tx-ring-ref", guest.grant(9, RINGS).value());
        guest.write(device, directory + "rx-ring-ref", guest.grant(10, RINGS + 1).value());
        guest.write(device, directory + "event-channel", port.value());
    }

    /// Publishes one queue, as Linux's front end does, and waits for the back end.
    ///
    /// @param features that it has beside those it always has
    void connect(PvDevice device, String... features) throws XenError {
        publish(device, "");
        guest.write(device, "request-rx-copy", 1);
        guest.write(device, "feature-rx-notify", 1);
        guest.write(device, "feature-sg", 1);
        for (String feature : features) {
            guest.write(device, "feature-" + feature, 1);
        }
        guest.become(device, XenbusState.CONNECTED);
        guest.await(device, XenbusState.CONNECTED);
    }

    /// Ends a connection as Linux does, and waits for the back end.
    void disconnect(PvDevice device) throws XenError {
        guest.become(device, XenbusState.CLOSING);
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.close(port);
    }

    /// Sends a frame.
    ///
    /// @param flags such as [Netif#TX_CSUM_BLANK]
    void send(byte[] frame, int flags) throws XenError {
        put(frame, flags);
        guest.send(port);
    }

    /// Asks for the frames of a multicast address.
    void admit(byte... address) throws XenError {
        put(new byte[64], Netif.TX_EXTRA_INFO);
        MemorySegment extra = tx.nextSlot();
        extra.fill((byte) 0);
        extra.set(JAVA_BYTE, 0, (byte) Netif.EXTRA_MCAST_ADD);
        MemorySegment.copy(address, 0, extra, JAVA_BYTE, 2, address.length);
        tx.send();
        guest.send(port);
    }

    /// Sends a frame of segments for the host to split.
    ///
    /// @param type such as [Netif#GSO_TCPV4]
    void sendSegments(byte[] frame, int type) throws XenError {
        put(frame, Netif.TX_CSUM_BLANK | Netif.TX_EXTRA_INFO);
        MemorySegment extra = tx.nextSlot();
        extra.set(JAVA_BYTE, 0, (byte) Netif.EXTRA_GSO);
        extra.set(JAVA_BYTE, 1, (byte) 0);
        extra.set(JAVA_SHORT_UNALIGNED, 2, (short) 1000);
        extra.set(JAVA_BYTE, 4, (byte) type);
        tx.send();
        guest.send(port);
    }

    /// Puts a frame into the ring without an event.
    void put(byte[] frame, int flags) throws XenError {
        MemorySegment.copy(frame, 0, page(SENT), JAVA_BYTE, 0, frame.length);
        MemorySegment slot = tx.nextSlot();
        slot.set(JAVA_INT_UNALIGNED, 0, guest.grant(FIRST_REF + POSTED, SENT).value());
        slot.set(JAVA_SHORT_UNALIGNED, 4, (short) 0);
        slot.set(JAVA_SHORT_UNALIGNED, 6, (short) flags);
        slot.set(JAVA_SHORT_UNALIGNED, 8, (short) ID);
        slot.set(JAVA_SHORT_UNALIGNED, 10, (short) frame.length);
        tx.send();
    }

    /// Waits for the answer to a frame.
    ///
    /// @return its status
    short answer() {
        Eventually.holds("it is answered", tx::hasAnswer);
        return tx.nextAnswer().get(JAVA_SHORT_UNALIGNED, 2);
    }

    /// The next frame to the guest.
    byte[] receive() throws XenError {
        Eventually.holds("a frame has come", rx::hasAnswer);
        MemorySegment answer = rx.nextAnswer();
        int id = answer.get(JAVA_SHORT_UNALIGNED, 0);
        int status = answer.get(JAVA_SHORT_UNALIGNED, 6);
        return page(DATA + id).asSlice(0, status).toArray(JAVA_BYTE);
    }

    /// The next frame to the guest that is of a type.
    byte[] receive(int type) throws XenError {
        byte[] frame = receive();
        while (ByteBuffer.wrap(frame).getShort(ETHERNET - Short.BYTES) != (short) type) {
            frame = receive();
        }
        return frame;
    }
}
