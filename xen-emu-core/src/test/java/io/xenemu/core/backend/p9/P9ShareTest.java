package io.xenemu.core.backend.p9;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A share of a guest, from its attachment to its end.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class P9ShareTest {
    private static final int CYCLES = 100;
    private static final Duration LIMIT = Duration.ofSeconds(2);

    @TempDir private Path folder;
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final ServedGuest guest = new ServedGuest(LIMIT, new P9Kind(registry));

    P9ShareTest() throws Exception {}

    @BeforeEach
    void fill() throws IOException {
        Files.writeString(folder.resolve("f"), "text");
    }

    @AfterEach
    void close() throws IOException {
        guest.close();
        assertEquals(List.of(), threads());
        assertEquals(0, descriptors());
    }

    private P9Spec spec(String tag) throws Refused {
        return P9Spec.parse(List.of("tag=" + tag + ",path=" + folder));
    }

    /// A front end of a new share.
    private P9GuestFront attached() throws Exception {
        return new P9GuestFront(guest, guest.attach(spec("data")));
    }

    /// A front end that has mounted a new share.
    private P9GuestFront mounted() throws Exception {
        P9GuestFront front = attached();
        front.connect();
        front.mount();
        return front;
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("dom1-9pfs"))
                .sorted()
                .toList();
    }

    /// Descriptors of this process in the shared folder.
    private long descriptors() throws IOException {
        try (var all = Files.list(Path.of("/proc/self/fd"))) {
            return all.filter(
                            fd -> {
                                try {
                                    return Files.readSymbolicLink(fd)
                                            .startsWith(folder.toRealPath());
                                } catch (IOException e) {
                                    return false;
                                }
                            })
                    .count();
        }
    }

    @Test
    void nodesAreThoseOfLibxl() throws Exception {
        PvDevice device = guest.attach(spec("data"));
        String back = "/local/domain/0/backend/9pfs/1/0";
        assertEquals(back, device.backendPath());
        assertEquals("none", guest.client.read(back + "/security_model"));
        assertEquals(folder.toString(), guest.client.read(back + "/path"));
        assertEquals("1", guest.client.read(back + "/versions"));
        // As many as there are engines of the class by default.
        assertEquals("4", guest.client.read(back + "/max-rings"));
        assertEquals("9", guest.client.read(back + "/max-ring-page-order"));
        assertEquals("data", guest.client.read(device.frontendPath() + "/tag"));
        assertEquals(
                List.of(
                        "Idx BE Tag              state BE-path                        Path",
                        "0   0  data                 1 /local/domain/0/backend/9pfs/1/0 " + folder),
                guest.devices.list().table(DeviceKind.P9, List.of(TestDomain.ID)));
        assertThrows(Refused.class, () -> guest.attach(spec("data")), "the tag is taken");
        assertEquals(1, guest.attach(spec("more")).id());
        assertEquals(device, guest.devices.list().find(DeviceKind.P9, TestDomain.ID, "data"));
        assertEquals(1, guest.devices.list().find(DeviceKind.P9, TestDomain.ID, "1").id());
    }

    @Test
    void folderThatIsMissingIsOneLine() throws Exception {
        Refused refused =
                assertThrows(
                        Refused.class,
                        () ->
                                guest.attach(
                                        P9Spec.parse(
                                                List.of("tag=t,path=" + folder + "/missing"))));
        assertTrue(refused.reason().contains("missing"), refused.reason());
        assertFalse(guest.client.exists("/libxl/1"));
    }

    @Test
    void guestReadsAFileOverEitherRing() throws Exception {
        P9GuestFront front = mounted();
        front.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
        front.call(P9Operation.LOPEN, 1, 0);
        for (int ring = 0; ring < P9GuestFront.RINGS; ring++) {
            front.send(ring, P9TestClient.bytes(P9Operation.READ.number(), 9, 1, 0L, 100));
            var answer = front.receive(ring);
            assertEquals(P9Operation.READ.answer(), answer.get(4));
            assertEquals(9, answer.getShort(5));
            assertEquals(4, answer.getInt(7));
            assertEquals('t', answer.get(11));
        }
        assertEquals(
                2, registry.get("xen.share.requests").tag("operation", "read").counter().count());
        assertEquals(8, registry.get("xen.share.bytes").tag("direction", "read").counter().count());
        assertEquals(2, registry.get("xen.share.fids").gauge().value());
        assertEquals(
                List.of("dom1-9pfs-0-q1", "dom1-9pfs-0-q2", "dom1-9pfs-0-q3", "dom1-9pfs-0-q4"),
                threads());
        front.call(P9Operation.CLUNK, 1);
        front.call(P9Operation.CLUNK, P9TestClient.ROOT);
        guest.detach(front.device);
        assertEquals(List.of(), registry.getMeters());
    }

    @Test
    void mountedShareIsNotDetachedOrderlyAndNotSaved() throws Exception {
        P9GuestFront front = attached();
        front.connect();
        assertEquals("", blocker());
        front.mount();
        front.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
        assertEquals("9pfs share data is mounted (2 fids)", blocker());

        Refused refused =
                assertThrows(
                        Refused.class,
                        () -> guest.devices.detach(front.device, DetachMode.ORDERLY));
        assertEquals(
                "share data is mounted, with 0 requests in flight and 2 open fids; --force removes it",
                refused.reason());
        assertEquals(XenbusState.CONNECTED, guest.state(front.device), "the mount still works");
        assertEquals(P9Operation.GETATTR.answer(), front.call(P9Operation.GETATTR, 1, -1L));

        front.call(P9Operation.CLUNK, 1);
        front.call(P9Operation.CLUNK, P9TestClient.ROOT);
        assertEquals("", blocker());
        guest.detach(front.device);
        assertFalse(guest.client.exists("/local/domain/0/backend"));
    }

    private String blocker() {
        String all = guest.backends.part(TestDomain.ID).blocker(SaveScope.ALONE).orElse("9pfs 0: ");
        assertTrue(all.startsWith("9pfs 0: "), all);
        return all.substring("9pfs 0: ".length());
    }

    @Test
    void forcedDetachEndsAMountedShare() throws Exception {
        P9GuestFront front = mounted();
        guest.devices.detach(front.device, DetachMode.FORCED);
        assertTrue(front.revoke(), "the pages are the guest's again");
        assertEquals(0, descriptors());
        assertEquals(0, guest.servicePorts());
    }

    @Test
    void orderlyDetachWaitsForTheUnmount() throws Exception {
        P9GuestFront front = mounted();
        Thread unmount =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                Thread.sleep(300);
                                front.call(P9Operation.CLUNK, P9TestClient.ROOT);
                            } catch (XenError | InterruptedException e) {
                                throw new AssertionError(e);
                            }
                        });
        guest.detach(front.device);
        unmount.join();
    }

    @Test
    void guestThatComesBackStartsAnew() throws Exception {
        P9GuestFront front = attached();
        for (int cycle = 0; cycle < CYCLES; cycle++) {
            front.connect();
            front.mount();
            front.call(P9Operation.WALK, P9TestClient.ROOT, 1, (short) 1, "f");
            front.call(P9Operation.LOPEN, 1, 2);
            front.disconnect();
            assertTrue(front.revoke());
            assertEquals(0, guest.servicePorts());
            assertEquals(1, descriptors(), "the share's root");
            assertEquals(List.of(), threads());
            guest.become(front.device, XenbusState.INITIALISING);
            guest.await(front.device, XenbusState.INIT_WAIT);
        }
        assertEquals("", blocker());
    }

    @Test
    void wrongFrontEndsAreRefusedAndLeaveNothing() throws Exception {
        P9GuestFront front = attached();
        List<Object[]> wrong =
                List.of(
                        new Object[] {"version", "2"},
                        new Object[] {"num-rings", "0"},
                        new Object[] {"num-rings", "9"},
                        new Object[] {"num-rings", "-1"},
                        new Object[] {"ring-ref1", "400"},
                        new Object[] {"ring-ref1", "x"},
                        new Object[] {"event-channel-1", "77"});
        for (Object[] node : wrong) {
            front.publish();
            guest.write(front.device, (String) node[0], node[1]);
            refused(front);
        }
        for (int order : new int[] {0, 10, -1, 9}) {
            front.publish();
            front.write32(1, P9Queue.RING_ORDER, order);
            refused(front);
        }
        front.publish();
        front.write32(1, P9Queue.OUT_PROD, 100_000);
        refused(front);
        front.connect();
        front.mount();
    }

    private void refused(P9GuestFront front) throws XenError {
        PvDevice device = front.device;
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CLOSING);
        front.disconnect();
        assertTrue(front.revoke());
        assertEquals(0, guest.servicePorts());
        assertEquals(List.of(), threads());
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
    }

    @Test
    void brokenRingIsReportedAndTheOtherGoesOn() throws Exception {
        P9GuestFront front = mounted();
        front.send(1, new byte[] {1, 0, 0, 0, 0, 0, 0});
        Eventually.holds("the error node", () -> guest.client.exists(front.device.errorPath()));
        assertEquals(
                P9Operation.GETATTR.answer(),
                front.call(P9Operation.GETATTR, P9TestClient.ROOT, -1L));
    }

    /// XSA-155: the guest changes requests, sizes and indices all the time.
    @Test
    void xsa155GuestThatChangesItsRingsAllTheTimeHarmsNobody() throws Exception {
        P9GuestFront front = mounted();
        AtomicBoolean done = new AtomicBoolean();
        Thread flipper =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                for (int i = 0; !done.get(); i++) {
                                    front.write32(1, P9Queue.OUT_PROD, (i * 7) & 0x1fff);
                                    front.write32(1, P9Queue.IN_CONS, (i * 3) & 0x1fff);
                                }
                            } catch (XenError e) {
                                throw new AssertionError(e);
                            }
                        });
        for (int i = 0; i < 2000; i++) {
            front.send(1, P9TestClient.bytes(i % 128, i, i, i, i, i));
            assertEquals(
                    P9Operation.GETATTR.answer(),
                    front.call(P9Operation.GETATTR, P9TestClient.ROOT, -1L));
        }
        done.set(true);
        flipper.join();
        guest.devices.detach(front.device, DetachMode.FORCED);
        assertTrue(front.revoke());
    }

    @Test
    void endOfTheDomainLeavesNothing() throws Exception {
        P9GuestFront _ = mounted();
        guest.end();
        Eventually.holds("nothing is left", () -> threads().isEmpty() && descriptors() == 0);
        assertEquals(List.of(), registry.getMeters());
    }

    @Test
    void wordsAreXls() throws Exception {
        P9Spec all =
                P9Spec.parse(
                        List.of("tag=t", "path=/a b,security_model=none", "ro,max-open-files=99"));
        assertEquals(
                new P9Spec(
                        OptionalInt.empty(),
                        "t",
                        "/a b",
                        true,
                        P9SecurityModel.NONE,
                        OptionalInt.of(99),
                        P9Quota.NONE,
                        "0"),
                all);
        P9Spec limited =
                P9Spec.parse(
                        List.of(
                                "type=xen_9pfsd,path=/a,security_model=mapped,max-open-files=5",
                                "max-files=7,max-space=8,auto-delete=1"));
        assertEquals(
                new P9Spec(
                        OptionalInt.empty(),
                        "Xen",
                        "/a",
                        false,
                        P9SecurityModel.MAPPED,
                        OptionalInt.of(5),
                        new P9Quota(7, 8, true),
                        "0"),
                limited);
        for (String wrong :
                List.of(
                        "",
                        "tag=t",
                        "path=/a",
                        "tag=,path=/a",
                        "tag=a b,path=/a",
                        "tag=" + "t".repeat(33) + ",path=/a",
                        "tag=t,path=a",
                        "tag=t,path=/a,security_model=mapped-file",
                        "tag=t,path=/a,ro=2",
                        "tag=t,path=/a,max-open-files=-1",
                        "tag=t,path=/a,max-open-files=65537",
                        "tag=t,path=/a,max-space=-1",
                        "tag=t,path=/a,max-files=x",
                        "tag=t,path=/a,auto-delete=1",
                        "tag=t,path=/a,type=vhost",
                        "tag=t,path=/a,nonsense")) {
            assertThrows(Refused.class, () -> P9Spec.parse(List.of(wrong)), wrong);
        }
        assertTrue(all.isByService());
        assertEquals(DomId.DOM0.value() + "", all.backend());
    }
}
