package io.xenemu.core.backend.console;

import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;

/// Linux's front end of a console in small: connects, prints and reads.
final class ConsoleFront {
    static final int IN_CONS = 0xc00;
    static final int IN_PROD = 0xc04;
    static final int OUT_CONS = 0xc08;
    static final int OUT_PROD = 0xc0c;
    static final int CONNECTION = 0xc10;

    private static final int OUT = 0x400;
    private static final int OUT_SIZE = 2048;
    private static final int IN_SIZE = 1024;
    private static final long FIRST_GFN = 0x200;
    private static final int FIRST_REF = 10;
    private static final int PAGE_SHIFT = 12;

    /// The console.
    final PvDevice device;

    private final ServedGuest guest;
    private final long page;
    private final int ref;
    private EvtchnPort port = new EvtchnPort(0);

    ConsoleFront(ServedGuest guest, PvDevice device) {
        this.guest = guest;
        this.device = device;
        page = (FIRST_GFN + device.id()) << PAGE_SHIFT;
        ref = FIRST_REF + device.id();
    }

    /// The same front end in the restored guest.
    ConsoleFront(ServedGuest guest, ConsoleFront before) {
        this(guest, before.device);
        port = before.port;
    }

    int get(int offset) throws XenError {
        return guest.guest().memory().atomics().readAcquire32(page + offset);
    }

    void set(int offset, int value) throws XenError {
        guest.guest().memory().atomics().writeRelease32(page + offset, value);
    }

    /// Publishes a ring with indices at `first`.
    void publish(int first) throws XenError {
        guest.guest().memory().fill(page, 1 << PAGE_SHIFT, (byte) 0);
        for (int index : new int[] {IN_CONS, IN_PROD, OUT_CONS, OUT_PROD}) {
            set(index, first);
        }
        guest.guest().memory().write8(page + CONNECTION, 1);
        guest.grant(ref, page >>> PAGE_SHIFT);
        guest.write(device, "ring-ref", ref);
        port = guest.unboundPort();
        guest.write(device, "port", port.value());
    }

    void connect() throws XenError {
        publish(0);
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CONNECTED);
    }

    void disconnect() throws XenError {
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.close(port);
    }

    /// Whether the page is the guest's again.
    boolean revoke() throws XenError {
        return guest.revoke(ref);
    }

    void kick() throws XenError {
        guest.send(port);
    }

    /// Prints as much as there is room for, and says how much.
    int print(byte[] bytes, int offset, int length) throws XenError {
        int prod = get(OUT_PROD);
        int count = Math.min(length, OUT_SIZE - (prod - get(OUT_CONS)));
        for (int i = 0; i < count; i++) {
            guest.guest()
                    .memory()
                    .write8(page + OUT + ((prod + i) & (OUT_SIZE - 1)), bytes[offset + i] & 0xff);
        }
        if (count > 0) {
            set(OUT_PROD, prod + count);
            kick();
        }
        return count;
    }

    /// Prints everything, and waits for room.
    void print(byte[] bytes) throws XenError {
        int[] done = {0};
        Eventually.holds(
                "room in the ring",
                () -> {
                    done[0] += print(bytes, done[0], bytes.length - done[0]);
                    return done[0] == bytes.length;
                });
    }

    /// Waits for so many bytes of input.
    byte[] read(int count) throws XenError {
        byte[] bytes = new byte[count];
        int[] done = {0};
        Eventually.holds(
                "input",
                () -> {
                    int cons = get(IN_CONS);
                    int available = Math.min(get(IN_PROD) - cons, count - done[0]);
                    for (int i = 0; i < available; i++) {
                        bytes[done[0]++] =
                                (byte)
                                        guest.guest()
                                                .memory()
                                                .read8(page + ((cons + i) & (IN_SIZE - 1)));
                    }
                    if (available > 0) {
                        set(IN_CONS, cons + available);
                        kick();
                    }
                    return done[0] == count;
                });
        return bytes;
    }

    /// Bytes of output in the ring that the service has not taken.
    int waiting() throws XenError {
        return get(OUT_PROD) - get(OUT_CONS);
    }

    /// The value of the byte that says whether somebody serves the ring.
    int connection() throws XenError {
        return guest.guest().memory().read8(page + CONNECTION);
    }
}
