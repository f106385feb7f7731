package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A client that cannot be notified of a change that another one makes.
class OthersFailuresTest {
    private final Rig rig = new Rig();
    private final IllegalStateException refused = new IllegalStateException("no such vCPU");
    private final List<Throwable> failures = new ArrayList<>();

    @BeforeEach
    void share() {
        rig.client(0).ask(WRITE, "/shared\0");
        rig.client(0).ask(SET_PERMS, "/shared\0b0\0");
    }

    @AfterEach
    void close() {
        rig.close();
    }

    /// A guest that watches `/shared` and whose doorbell fails.
    private Rig.Guest deaf(int domain) {
        Rig.Guest guest = watching(domain);
        guest.onFailure = failures::add;
        guest.onBell =
                () -> {
                    throw refused;
                };
        return guest;
    }

    private Rig.Guest watching(int domain) {
        Rig.Guest guest = rig.guest(domain);
        assertEquals("OK\0", new RingEnd(guest).ask(WATCH, 0, "/shared\0token\0"));
        guest.bells.set(0);
        return guest;
    }

    @Test
    void aDoorbellThatFailsEndsItsGuestAndNotTheWriter() {
        deaf(2);
        assertEquals("OK\0", rig.client(0).ask(WRITE, "/shared/a\0" + "1"));
        assertEquals(List.of(refused), failures);
    }

    @Test
    void everyOtherDoorbellIsRung() {
        Rig.Guest first = watching(1);
        deaf(2);
        Rig.Guest last = watching(3);
        assertEquals("OK\0", rig.client(0).ask(WRITE, "/shared/a\0" + "1"));
        assertEquals(1, first.bells.get());
        assertEquals(1, last.bells.get());
        assertEquals(List.of(refused), failures);
    }

    @Test
    void aGuestsWriteIsAnsweredThoughAnotherGuestsDoorbellFails() {
        deaf(2);
        Rig.Guest writer = rig.guest(3);
        RingEnd end = new RingEnd(writer);
        writer.bells.set(0);
        assertEquals("OK\0", end.ask(WRITE, 0, "/shared/b\0" + "1"));
        assertEquals(1, writer.bells.get());
        assertEquals(List.of(refused), failures);
    }

    @Test
    void aDomainIsReleasedThoughAnotherGuestsDoorbellFails() {
        Rig.Guest guest = rig.guest(2);
        new RingEnd(guest).ask(WATCH, 0, "/shared\0token\0");
        assertEquals("OK\0", rig.client(0).ask(SET_PERMS, "@releaseDomain\0n0\0r2\0"));
        new RingEnd(guest).ask(WATCH, 0, "@releaseDomain\0token\0");
        Rig.Guest leaving = rig.guest(3);
        guest.onFailure = failures::add;
        guest.onBell =
                () -> {
                    throw refused;
                };
        rig.server.release(leaving.connection.domain());
        assertEquals(List.of(refused), failures);
    }

    @Test
    void aListenerThatFailsIsNotifiedOfTheNextChangeAndSoAreOthers() throws XenError {
        List<String> heard = new ArrayList<>();
        XenStoreClient client = rig.server.client();
        client.watch(
                "/shared",
                path -> {
                    heard.add(path);
                    throw new AssertionError("test");
                });
        client.watch("/shared", path -> heard.add("too " + path));
        heard.clear();
        client.write("/shared", "1");
        client.write("/shared", "2");
        assertEquals(List.of("/shared", "too /shared", "/shared", "too /shared"), heard);
    }

    @Test
    void listenersAreNotifiedAgainAfterTheirExecutorRefused() throws XenError {
        AtomicBoolean refuses = new AtomicBoolean();
        try (XenStoreServer server =
                new XenStoreServer(
                        Quotas.DEFAULT,
                        new NoDomains(),
                        new XenStoreMetrics(rig.registry),
                        task -> {
                            if (refuses.get()) {
                                throw new RejectedExecutionException("test");
                            }
                            task.run();
                        })) {
            XenStoreClient client = server.client();
            List<String> heard = new ArrayList<>();
            client.watch("/shared", heard::add);
            refuses.set(true);
            client.write("/shared/a", "1");
            refuses.set(false);
            client.write("/shared/b", "1");
            assertTrue(heard.contains("/shared/a"), heard::toString);
            assertTrue(heard.contains("/shared/b"), heard::toString);
        }
    }

    private static final class NoDomains implements GuestDomains {
        @Override
        public boolean exists(DomId domain) {
            return domain.equals(DomId.DOM0);
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            throw XenError.ENOENT;
        }

        @Override
        public void released(DomId domain) {}
    }
}
