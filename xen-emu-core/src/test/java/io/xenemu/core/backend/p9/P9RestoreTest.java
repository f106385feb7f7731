package io.xenemu.core.backend.p9;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.SavedSpec;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.domain.BlockedException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest with a share is saved, and restored in a domain of another service: its front end, which knows nothing of
/// that, goes on in the same rings.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class P9RestoreTest {
    private static final Duration LIMIT = Duration.ofSeconds(2);

    @TempDir private Path folder;
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final ServedGuest old = new ServedGuest(LIMIT, new P9Kind(new SimpleMeterRegistry()));

    P9RestoreTest() throws Exception {}

    @BeforeEach
    void fill() throws IOException {
        Files.writeString(folder.resolve("f"), "text");
    }

    @AfterEach
    void close() {
        old.close();
        assertEquals(List.of(), threads());
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("dom1-9pfs"))
                .toList();
    }

    private P9GuestFront attached() throws Exception {
        P9Spec spec = P9Spec.parse(List.of("tag=data,path=" + folder));
        return new P9GuestFront(old, old.attach(spec));
    }

    /// Saves the guest and restores it elsewhere; the guest that was saved is gone.
    private ServedGuest moved() throws Exception {
        ServedGuest next = old.restoredElsewhere(LIMIT, new P9Kind(registry));
        old.end();
        return next;
    }

    private static void unmount(P9GuestFront front) throws Exception {
        front.call(P9Operation.CLUNK, P9TestClient.ROOT);
    }

    private static void readsTheFile(P9GuestFront front, int ring) throws Exception {
        front.mount();
        front.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
        front.call(P9Operation.LOPEN, 1, 0);
        front.send(ring, P9TestClient.bytes(P9Operation.READ.number(), 9, 1, 0L, 100));
        ByteBuffer answer = front.receive(ring);
        assertEquals(P9Operation.READ.answer(), answer.get(4));
        assertEquals('t', answer.get(11));
        front.call(P9Operation.CLUNK, 1);
    }

    @Test
    void anUnmountedShareGoesOnInTheSameRings() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        readsTheFile(before, 1);
        unmount(before);
        try (ServedGuest next = moved()) {
            P9GuestFront front = new P9GuestFront(next, before);
            next.backends.resume(TestDomain.ID);
            for (int ring = 0; ring < P9GuestFront.RINGS; ring++) {
                readsTheFile(front, ring);
                unmount(front);
            }
            assertEquals(XenbusState.CONNECTED, next.state(front.device));
            assertEquals(
                    front.device, next.devices.list().find(DeviceKind.P9, TestDomain.ID, "data"));
            assertEquals(0, registry.get("xen.share.fids").gauge().value());
            front.disconnect();
            assertTrue(front.revoke(), "the pages are the guest's again");
            assertEquals(0, next.servicePorts());
            next.become(front.device, XenbusState.INITIALISING);
            next.await(front.device, XenbusState.INIT_WAIT);
            front.connect();
            readsTheFile(front, 0);
        }
    }

    /// What the service does before the guest goes on would be done twice if the move is given up.
    /// Its operator need not have given it a number.
    @Test
    void whatTheShareNeedsElsewhereIsCheckedThere() throws Exception {
        P9GuestFront front = attached();
        List<SavedSpec> needs = old.backends.moves().needs(TestDomain.ID);
        assertEquals(1, needs.size());
        P9Spec spec = (P9Spec) old.backends.kinds().spec(needs.getFirst());
        assertEquals(front.device.id(), spec.id().orElseThrow());
        assertEquals(
                "9pfs: " + spec.path() + " is a folder here",
                old.backends.kinds().check(needs.getFirst(), false));
    }

    @Test
    void nothingIsServedBeforeTheGuestGoesOn() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        try (ServedGuest next = moved()) {
            P9GuestFront front = new P9GuestFront(next, before);
            front.send(0, P9TestClient.bytes(P9Operation.VERSION.number(), 7, 8192, "9P2000.L"));
            Thread.sleep(100);
            assertFalse(front.hasAnswer(0));
            next.backends.resume(TestDomain.ID);
            assertEquals(7, front.receive(0).getShort(5));
        }
    }

    @Test
    void aRequestThatIsHalfInTheRingIsFinishedAfterwards() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        byte[] request = P9TestClient.bytes(P9Operation.VERSION.number(), 7, 8192, "9P2000.L");
        before.send(1, Arrays.copyOf(request, 9));
        old.settle();
        try (ServedGuest next = moved()) {
            P9GuestFront front = new P9GuestFront(next, before);
            next.backends.resume(TestDomain.ID);
            front.send(1, Arrays.copyOfRange(request, 9, request.length));
            assertEquals(7, front.receive(1).getShort(5));
        }
    }

    /// The page's indices of this side, and the nodes, are the guest's to change; the state has its own.
    @Test
    void indicesAndNodesThatTheGuestHasChangedHaveNoEffect() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        before.mount();
        unmount(before);
        before.write32(0, P9Queue.OUT_CONS, 12_345);
        before.write32(0, P9Queue.IN_PROD, -1);
        before.write32(0, P9Queue.RING_ORDER, 77);
        before.write32(0, P9Queue.REFS, 999);
        old.write(before.device, "ring-ref0", 400);
        old.write(before.device, "num-rings", 99);
        try (ServedGuest next = moved()) {
            P9GuestFront front = new P9GuestFront(next, before);
            next.backends.resume(TestDomain.ID);
            readsTheFile(front, 1);
            front.send(0, P9TestClient.bytes(P9Operation.STATFS.number(), 3, P9TestClient.ROOT));
            assertEquals(P9Operation.STATFS.answer(), front.receive(0).get(4));
        }
    }

    @Test
    void aBrokenRingStaysBroken() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        before.send(1, new byte[] {1, 0, 0, 0, 0, 0, 0});
        Eventually.holds("the error node", () -> old.client.exists(before.device.errorPath()));
        try (ServedGuest next = moved()) {
            P9GuestFront front = new P9GuestFront(next, before);
            next.backends.resume(TestDomain.ID);
            front.write32(1, P9Queue.OUT_PROD, 0);
            front.send(1, P9TestClient.bytes(P9Operation.VERSION.number(), 7, 8192, "9P2000.L"));
            readsTheFile(front, 0);
            assertFalse(front.hasAnswer(1));
        }
    }

    @Test
    void aShareWithoutAGuestIsRestoredAsWell() throws Exception {
        P9GuestFront before = attached();
        try (ServedGuest next = moved()) {
            next.backends.resume(TestDomain.ID);
            P9GuestFront front = new P9GuestFront(next, before);
            assertEquals(XenbusState.INIT_WAIT, next.state(front.device));
            front.connect();
            readsTheFile(front, 0);
        }
    }

    @Test
    void aMountedShareBlocksTheSaveUntilItIsUnmounted() throws Exception {
        P9GuestFront front = attached();
        front.connect();
        front.mount();
        front.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
        BlockedException blocked =
                assertThrows(BlockedException.class, () -> old.domain().parts().quiesceAndSave());
        assertEquals(
                "devices of the service: 9pfs 0: 9pfs share data is mounted (2 fids)",
                blocked.getMessage());
        assertEquals(P9Operation.GETATTR.answer(), front.call(P9Operation.GETATTR, 1, -1L));
        // The end of a session ends the mount as well.
        front.call(P9Operation.VERSION, 8192, "9P2000.L");
        assertEquals(List.of(), old.domain().parts().blockers());
        front.mount();
        assertEquals(1, old.domain().parts().blockers().size());
        unmount(front);
        assertEquals(List.of(), old.domain().parts().blockers());
        front.mount();
        front.disconnect();
        assertEquals(List.of(), old.domain().parts().blockers());
    }

    /// A save, and a host that is not this one, would have to find each file again.
    @Test
    void aMountedShareGoesOnInTheNextProcessOfTheHost() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        before.mount();
        before.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
        before.call(P9Operation.LOPEN, 1, 0);
        Files.delete(folder.resolve("f"));
        byte[] request = P9TestClient.bytes(P9Operation.READ.number(), 9, 1, 0L, 100);
        before.send(1, Arrays.copyOf(request, 9));
        old.settle();
        try (ServedGuest next = old.handedOver(LIMIT, new P9Kind(registry))) {
            P9GuestFront front = new P9GuestFront(next, before);
            old.end();
            next.backends.resume(TestDomain.ID);
            front.send(1, Arrays.copyOfRange(request, 9, request.length));
            ByteBuffer answer = front.receive(1);
            assertEquals(P9Operation.READ.answer(), answer.get(4));
            assertEquals('t', answer.get(11));
            assertEquals(2, registry.get("xen.share.fids").gauge().value());
            assertEquals(1, next.domain().parts().blockers().size());
            front.call(P9Operation.CLUNK, 1);
            unmount(front);
            assertEquals(List.of(), next.domain().parts().blockers());
            front.disconnect();
            assertTrue(front.revoke(), "the pages are the guest's again");
        }
    }

    @Test
    void aMountedShareThatIsNotHandedOverAfterAllGoesOn() throws Exception {
        P9GuestFront front = attached();
        front.connect();
        front.mount();
        front.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
        old.offered(LIMIT, new P9Kind(registry)).close();
        old.domain().parts().resume();
        assertEquals(P9Operation.LOPEN.answer(), front.call(P9Operation.LOPEN, 1, 0));
        unmount(front);
    }

    /// A device that is gone has no state, and no callback.
    @Test
    void aDetachedShareIsNotSaved() throws Exception {
        P9GuestFront front = attached();
        front.connect();
        front.mount();
        old.devices.detach(front.device, DetachMode.FORCED);
        try (ServedGuest next = moved()) {
            next.backends.resume(TestDomain.ID);
            assertThrows(
                    Refused.class,
                    () -> next.devices.list().find(DeviceKind.P9, TestDomain.ID, "data"));
        }
    }

    @Test
    void aGuestThatGoesOnAfterASaveIsServedAsBefore() throws Exception {
        P9GuestFront front = attached();
        front.connect();
        old.domain().parts().quiesceAndSave();
        old.domain().parts().resume();
        readsTheFile(front, 0);
    }

    @Test
    void aFolderThatIsMissingThereIsOneLine() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        Path moved = folder.resolveSibling("moved");
        Files.move(folder, moved);
        try {
            Refused refused = assertThrows(Refused.class, this::moved);
            assertTrue(
                    refused.reason().startsWith("the folder cannot be shared: "), refused.reason());
            assertEquals(1, refused.reason().lines().count());
        } finally {
            Files.move(moved, folder);
        }
    }

    /// Only the guest itself can have done that.
    @Test
    void aShareWhoseGrantsAreGoneIsClosed() throws Exception {
        P9GuestFront before = attached();
        before.connect();
        old.overwriteGrant(11);
        try (ServedGuest next = moved()) {
            next.backends.resume(TestDomain.ID);
            next.await(before.device, XenbusState.CLOSING);
            Eventually.holds("its ports are free", () -> next.servicePorts() == 0);
            P9GuestFront front = new P9GuestFront(next, before);
            front.disconnect();
            next.become(front.device, XenbusState.INITIALISING);
            next.await(front.device, XenbusState.INIT_WAIT);
            front.connect();
            readsTheFile(front, 0);
        }
    }
}
