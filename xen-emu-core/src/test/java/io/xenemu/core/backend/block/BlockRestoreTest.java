package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.READ;
import static io.xenemu.core.backend.block.BlockFront.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.testing.Eventually;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest with a disk is saved, and restored in a domain of another service: its front end, which knows nothing of
/// that, goes on in the same rings.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class BlockRestoreTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /// The time that requests in flight get.
    private static final Duration PATIENCE = Duration.ofMillis(1);

    @TempDir private Path folder;
    private final SlowStore slow = new SlowStore();

    /// The store of the next service.
    private final SlowStore next = new SlowStore();

    private final ServedGuest old = guest(raw());

    BlockRestoreTest() throws Exception {}

    @AfterEach
    void close() {
        old.close();
    }

    private static BlockKind raw() {
        return new BlockKind(DiskOpener.RAW, DiskChecker.FILE, new SimpleMeterRegistry());
    }

    private static BlockKind on(DiskStore store) {
        return new BlockKind(_ -> store, DiskChecker.FILE, new SimpleMeterRegistry());
    }

    private static ServedGuest guest(BlockKind kind) throws Exception {
        return new ServedGuest(LIMIT, PATIENCE, kind);
    }

    private Path image() throws Exception {
        return Files.write(folder.resolve("x.img"), new byte[1 << 20]);
    }

    private static PvDevice attach(ServedGuest guest, String spec) throws Exception {
        return guest.attach(DiskSpec.parse(List.of(spec)));
    }

    @ParameterizedTest
    @CsvSource({"X86_64, 1, 0", "X86_64, 4, 2", "X86_32, 2, 1"})
    void aDiskGoesOnInTheSameRings(BlockAbi abi, int queues, int order) throws Exception {
        Path image = image();
        DiskGuestFront before = new DiskGuestFront(old, attach(old, image + ",raw,xvda,rw"), abi);
        before.connect(queues, order);
        for (int queue = 0; queue < queues; queue++) {
            before.assertWorks(queue, queue);
        }
        try (ServedGuest then = old.savedAndEnded().restored(LIMIT, raw())) {
            DiskGuestFront front = new DiskGuestFront(then, before);
            then.backends.resume(TestDomain.ID);
            assertEquals(XenbusState.CONNECTED, then.state(front.device));
            for (int queue = 0; queue < queues; queue++) {
                front.assertReads(queue, queue);
                front.assertWorks(queue, 8 + queue);
            }
            assertEquals(9, Files.readAllBytes(image)[8 * 4096]);
            assertEquals(
                    front.device, then.devices.list().find(DeviceKind.VBD, TestDomain.ID, "xvda"));
            front.disconnect();
            assertEquals(0, then.servicePorts());
            assertEquals(List.of(), then.domain().grantTable().save().mappings());
            then.become(front.device, XenbusState.INITIALISING);
            then.await(front.device, XenbusState.INIT_WAIT);
            front.connect(1, 0);
            front.assertWorks(0, 3);
        }
    }

    /// What the service does before the guest goes on would be done twice if the move is given up.
    @Test
    void nothingIsServedBeforeTheGuestGoesOn() throws Exception {
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image() + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.connect(1, 0);
        try (ServedGuest then = old.savedAndEnded().restored(LIMIT, raw())) {
            DiskGuestFront front = new DiskGuestFront(then, before);
            front.send(0, READ, 0, 0);
            Thread.sleep(100);
            assertFalse(front.hasAnswer(0));
            then.backends.resume(TestDomain.ID);
            assertEquals(0, front.status(0));
        }
    }

    /// The page's indices of this side, and the nodes, are the guest's to change; the state has its own.
    @Test
    void indicesAndNodesThatTheGuestHasChangedHaveNoEffect() throws Exception {
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image() + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.connect(1, 0);
        before.assertWorks(0, 1);
        int answered = before.ring(0).index(FrontRing.RSP_PROD);
        before.ring(0).setIndex(FrontRing.RSP_PROD, 12_345);
        old.write(before.device, "ring-ref", 400);
        try (ServedGuest then = old.savedAndEnded().restored(LIMIT, raw())) {
            DiskGuestFront front = new DiskGuestFront(then, before);
            front.ring(0).setIndex(FrontRing.RSP_PROD, answered);
            then.backends.resume(TestDomain.ID);
            front.assertReads(0, 1);
        }
    }

    @Test
    void aBrokenRingStaysBrokenAndTheOthersGoOn() throws Exception {
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image() + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.connect(2, 0);
        before.ring(0).setIndex(FrontRing.REQ_PROD, 99);
        before.kick(0);
        Eventually.holds("the error node", () -> old.client.exists(before.device.errorPath()));
        try (ServedGuest then = old.savedAndEnded().restored(LIMIT, raw())) {
            DiskGuestFront front = new DiskGuestFront(then, before);
            front.ring(0).setIndex(FrontRing.REQ_PROD, 0);
            then.backends.resume(TestDomain.ID);
            front.send(0, READ, 0, 0);
            front.assertWorks(1, 1);
            assertFalse(front.hasAnswer(0));
        }
    }

    /// Its front end has become ready while everything stood still, or does so after the restore.
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aHandshakeGoesOn(boolean isReady) throws Exception {
        Path image = image();
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.publish(1, 0);
        old.domain().parts().quiesceAndSave();
        if (isReady) {
            old.become(before.device, XenbusState.INITIALISED);
        }
        ServedGuest.Saved saved = old.savedWhileStillAndEnded();
        try (ServedGuest then = saved.restored(LIMIT, raw())) {
            DiskGuestFront front = new DiskGuestFront(then, before);
            then.backends.resume(TestDomain.ID);
            if (!isReady) {
                then.become(front.device, XenbusState.INITIALISED);
            }
            then.await(front.device, XenbusState.CONNECTED);
            then.become(front.device, XenbusState.CONNECTED);
            front.assertWorks(0, 2);
        }
    }

    @Test
    void aRequestInFlightIsDoneAgainAndAnsweredOnce() throws Exception {
        try (ServedGuest guest = guest(on(slow))) {
            DiskGuestFront before =
                    new DiskGuestFront(guest, attach(guest, "/slow,raw,xvda,rw"), BlockAbi.X86_64);
            before.connect(1, 0);
            before.send(0, WRITE, 8, 1);
            before.send(0, READ, 16, 2);
            Eventually.holds("the store has them", () -> slow.submitted.size() == 2);
            ServedGuest.Saved saved = guest.saved();
            assertEquals(1, saved.devices().devices().size());
            // The guest goes on here too, as after a checkpoint.
            slow.complete(0, 0);
            slow.complete(0, 0);
            assertEquals(0, before.status(0));
            assertEquals(0, before.status(0));
            assertFalse(before.hasAnswer(0));
            before.unanswer(0, 2);
            try (ServedGuest then = saved.restored(LIMIT, on(next))) {
                DiskGuestFront front = new DiskGuestFront(then, before);
                assertEquals(List.of(), next.submitted);
                then.backends.resume(TestDomain.ID);
                Eventually.holds("the store has them", () -> next.submitted.size() == 2);
                assertEquals(List.of(DiskOp.WRITE, DiskOp.READ), next.log);
                assertEquals(8 * 512, next.submitted.getFirst().offset());
                next.complete(1, 0);
                next.complete(0, Errno.EIO);
                assertEquals(0, front.status(0));
                assertEquals(-1, front.status(0));
                assertFalse(front.hasAnswer(0));
                assertEquals(0, next.submitted.size());
            }
        }
    }

    /// Whatever ends while the guest stands still is told when it goes on.
    @Test
    void anEndThatComesDuringASaveWaits() throws Exception {
        try (ServedGuest guest = guest(on(slow))) {
            DiskGuestFront front =
                    new DiskGuestFront(guest, attach(guest, "/slow,raw,xvda,rw"), BlockAbi.X86_64);
            front.connect(1, 0);
            front.send(0, READ, 0, 1);
            Eventually.holds("the store has it", () -> slow.submitted.size() == 1);
            guest.domain().parts().quiesceAndSave();
            slow.complete(0, 0);
            assertFalse(front.hasAnswer(0));
            assertFalse(front.revoke(1), "the page is in use");
            guest.domain().parts().resume();
            assertEquals(0, front.status(0));
            assertTrue(front.revoke(1));
        }
    }

    /// Its server may die with what it has acknowledged.
    @Test
    void aDiskThatKeepsWritesIsFlushedAndNotSavedWithRequestsInFlight() throws Exception {
        slow.keepsWrites = true;
        try (ServedGuest guest = guest(on(slow))) {
            DiskGuestFront front =
                    new DiskGuestFront(guest, attach(guest, "/slow,raw,xvda,rw"), BlockAbi.X86_64);
            front.connect(1, 0);
            front.send(0, READ, 0, 1);
            Eventually.holds("the store has it", () -> slow.submitted.size() == 1);
            assertEquals(
                    "dom1: vbd 51712 from dom0 has requests in flight, and cannot be saved with"
                            + " them",
                    stuck(guest));
            slow.complete(0, 0);
            assertEquals(0, front.status(0));
            slow.log.clear();
            slow.onSubmit = () -> slow.complete(0, Errno.EIO);
            assertEquals("dom1: vbd 51712 from dom0 cannot be flushed: EIO", stuck(guest));
            slow.onSubmit = () -> slow.complete(0, 0);
            guest.domain().parts().quiesceAndSave();
            guest.domain().parts().resume();
            assertEquals(List.of(DiskOp.FLUSH, DiskOp.FLUSH), slow.log);
        }
    }

    private static String stuck(ServedGuest guest) {
        StuckException stuck =
                assertThrows(StuckException.class, () -> guest.domain().parts().quiesceAndSave());
        return String.valueOf(stuck.getMessage());
    }

    @Test
    void aDiskThatIsMissingOrSmallerThereIsOneLine() throws Exception {
        Path image = image();
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.connect(1, 0);
        ServedGuest.Saved saved = old.savedAndEnded();
        setLength(image, (1 << 20) - 512);
        assertEquals(
                image + " has 1048064 bytes, and had 1048576 when the guest was saved",
                refused(saved));
        Files.delete(image);
        assertEquals(image + ": no such file", refused(saved));
    }

    private static String refused(ServedGuest.Saved saved) {
        return assertThrows(Refused.class, () -> saved.restored(LIMIT, raw())).reason();
    }

    private static void setLength(Path image, long bytes) throws Exception {
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    @Test
    void aGuestIsToldOfADiskThatHasGrown() throws Exception {
        Path image = image();
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.connect(1, 0);
        ServedGuest.Saved saved = old.savedAndEnded();
        setLength(image, 2 << 20);
        try (ServedGuest then = saved.restored(LIMIT, raw())) {
            String sectors = before.device.backendPath() + "/sectors";
            assertEquals("2048", then.client.read(sectors));
            then.backends.resume(TestDomain.ID);
            Eventually.holds("it is told", () -> then.client.read(sectors).equals("4096"));
        }
    }

    /// The image has other sectors by itself.
    @Test
    void theGuestsSectorStaysAndTheRebootHasTheOperatorsWords() throws Exception {
        Path image = image();
        attach(old, image + ",raw,xvda,rw,sector-size=4096,iops=9");
        ServedGuest.Saved saved = old.savedAndEnded();
        try (ServedGuest then = saved.restored(LIMIT, raw())) {
            then.backends.resume(TestDomain.ID);
            assertEquals(
                    List.of(
                            DiskSpec.parse(
                                    List.of(image + ",raw,xvda,rw,sector-size=4096,iops=9"))),
                    then.devices.frontendReboots(TestDomain.ID).specs());
        }
    }

    /// As a guest that migrates: its disk is at one service only, and comes back if it does not move.
    @Test
    void aDiskIsGivenUpForAnotherServiceAndClaimedAgain() throws Exception {
        Path image = image();
        DiskGuestFront before =
                new DiskGuestFront(old, attach(old, image + ",raw,xvda,rw"), BlockAbi.X86_64);
        before.connect(1, 0);
        before.assertWorks(0, 1);
        old.backends.moves().flush(TestDomain.ID, false);
        ServedGuest.Saved saved = old.savedAndReleased();
        try (ServedGuest then = saved.restored(LIMIT, raw())) {
            assertEquals(
                    "vbd 51712: " + image + " is in use: another has it open",
                    assertThrows(Refused.class, () -> old.backends.moves().claim(TestDomain.ID))
                            .reason());
            then.backends.moves().release(TestDomain.ID, false);
            then.backends.moves().claim(TestDomain.ID);
        }
        old.backends.moves().claim(TestDomain.ID);
        old.domain().parts().resume();
        before.assertReads(0, 1);
        before.assertWorks(0, 2);
    }

    /// The kernel may write for it when another has the disk.
    @Test
    void aDiskWithRequestsInFlightIsNotGivenUp() throws Exception {
        try (ServedGuest guest = guest(on(slow))) {
            DiskGuestFront front =
                    new DiskGuestFront(guest, attach(guest, "/slow,raw,xvda,rw"), BlockAbi.X86_64);
            front.connect(1, 0);
            front.send(0, WRITE, 0, 1);
            Eventually.holds("the store has it", () -> slow.submitted.size() == 1);
            guest.domain().parts().quiesceAndSave();
            assertEquals(
                    "vbd 51712: /slow has requests in flight",
                    assertThrows(
                                    Refused.class,
                                    () -> guest.backends.moves().release(TestDomain.ID, false))
                            .reason());
            assertFalse(slow.closed);
            guest.domain().parts().resume();
            slow.complete(0, 0);
            assertEquals(0, front.status(0));
            slow.onSubmit = () -> slow.complete(0, Errno.EIO);
            guest.domain().parts().quiesceAndSave();
            assertEquals(
                    "vbd 51712: /slow cannot be flushed: EIO",
                    assertThrows(
                                    Refused.class,
                                    () -> guest.backends.moves().release(TestDomain.ID, false))
                            .reason());
            slow.onSubmit = () -> slow.complete(0, 0);
            guest.backends.moves().release(TestDomain.ID, false);
            assertTrue(slow.closed);
            guest.backends.moves().claim(TestDomain.ID);
            guest.domain().parts().resume();
        }
    }
}
