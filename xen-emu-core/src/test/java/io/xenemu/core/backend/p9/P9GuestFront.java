package io.xenemu.core.backend.p9;

import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Linux's front end in small: connects with two pairs of rings, sends requests and waits for answers.
final class P9GuestFront {
    static final int RINGS = 2;
    static final int ORDER = 2;
    private static final long FIRST_GFN = 0x200;
    private static final int FIRST_REF = 10;
    private static final int PAGES = 1 + (1 << ORDER);
    private static final int PAGE_SHIFT = 12;

    /// The share.
    final PvDevice device;

    private final ServedGuest guest;
    private final List<EvtchnPort> ports = new ArrayList<>();
    private final int size = P9Queue.ringBytes(ORDER);
    private final int[] outProd = new int[RINGS];
    private final int[] inCons = new int[RINGS];

    P9GuestFront(ServedGuest guest, PvDevice device) {
        this.guest = guest;
        this.device = device;
    }

    /// The same front end in a guest that was restored.
    P9GuestFront(ServedGuest guest, P9GuestFront before) {
        this(guest, before.device);
        ports.addAll(before.ports);
        System.arraycopy(before.outProd, 0, outProd, 0, RINGS);
        System.arraycopy(before.inCons, 0, inCons, 0, RINGS);
    }

    private static long shared(int ring) {
        return (FIRST_GFN + (long) ring * PAGES) << PAGE_SHIFT;
    }

    private static long data(int ring) {
        return shared(ring) + (1 << PAGE_SHIFT);
    }

    void write32(int ring, int offset, int value) throws XenError {
        guest.guest().memory().write32(shared(ring) + offset, value);
    }

    private int read32(int ring, int offset) throws XenError {
        return guest.guest().memory().atomics().readAcquire32(shared(ring) + offset);
    }

    /// Publishes nodes and rings.
    void publish() throws XenError {
        guest.write(device, "version", 1);
        guest.write(device, "num-rings", RINGS);
        for (int ring = 0; ring < RINGS; ring++) {
            int ref = FIRST_REF + ring * PAGES;
            guest.guest().memory().fill(shared(ring), 1 << PAGE_SHIFT, (byte) 0);
            outProd[ring] = 0;
            inCons[ring] = 0;
            for (int page = 0; page < PAGES; page++) {
                guest.grant(ref + page, FIRST_GFN + (long) ring * PAGES + page);
                if (page > 0) {
                    write32(ring, P9Queue.REFS + (page - 1) * Integer.BYTES, ref + page);
                }
            }
            write32(ring, P9Queue.RING_ORDER, ORDER);
            guest.write(device, "ring-ref" + ring, ref);
            EvtchnPort port = guest.unboundPort();
            ports.add(port);
            guest.write(device, "event-channel-" + ring, port.value());
        }
    }

    void connect() throws XenError {
        publish();
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CONNECTED);
    }

    void disconnect() throws XenError {
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        for (EvtchnPort port : ports) {
            guest.close(port);
        }
        ports.clear();
    }

    /// Whether all pages are the guest's again.
    boolean revoke() throws XenError {
        boolean all = true;
        for (int page = 0; page < RINGS * PAGES; page++) {
            all &= guest.revoke(FIRST_REF + page);
        }
        return all;
    }

    /// Sends a request without waiting.
    void send(int ring, byte[] request) throws XenError {
        for (byte one : request) {
            guest.guest()
                    .memory()
                    .write8(data(ring) + size + (outProd[ring] & (size - 1)), one & 0xff);
            outProd[ring]++;
        }
        guest.guest()
                .memory()
                .atomics()
                .writeRelease32(shared(ring) + P9Queue.OUT_PROD, outProd[ring]);
        guest.send(ports.get(ring));
    }

    /// Whether there is an answer.
    boolean hasAnswer(int ring) throws XenError {
        return read32(ring, P9Queue.IN_PROD) - inCons[ring] > 0;
    }

    /// Waits for the next answer.
    ByteBuffer receive(int ring) throws XenError {
        Eventually.holds("an answer", () -> hasAnswer(ring));
        byte[] header = copy(ring, 4);
        int bytes = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).getInt();
        byte[] answer = copy(ring, bytes);
        inCons[ring] += bytes;
        write32(ring, P9Queue.IN_CONS, inCons[ring]);
        guest.send(ports.get(ring));
        return ByteBuffer.wrap(answer).order(ByteOrder.LITTLE_ENDIAN);
    }

    private byte[] copy(int ring, int bytes) throws XenError {
        byte[] copied = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            copied[i] =
                    (byte)
                            guest.guest()
                                    .memory()
                                    .read8(data(ring) + ((inCons[ring] + i) & (size - 1)));
        }
        return copied;
    }

    /// Sends a request, and waits for its answer, whose type it returns.
    int call(P9Operation operation, Object... fields) throws XenError {
        send(0, P9TestClient.bytes(operation.number(), 4, fields));
        return receive(0).get(4);
    }

    /// As `mount` does.
    void mount() throws XenError {
        call(P9Operation.VERSION, 8192, "9P2000.L");
        call(P9Operation.ATTACH, P9TestClient.ROOT, -1, "root", "", -1);
    }
}
