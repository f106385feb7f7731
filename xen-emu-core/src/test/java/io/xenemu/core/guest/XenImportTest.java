package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.paging.LatePagesNeeds;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.xenimage.TestImages;
import io.xenemu.core.xenimage.XlImage;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Images of real Xen become guests, whose domains run no code, with a real XenStore.
@Timeout(300)
final class XenImportTest {
    private static final MachineLayout LAYOUT = new MachineLayout(8 << 20, 9 * 4096, 0, 2);

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private final OperatedDomains domains = fake.hypervisor.operated();
    private final HostedGuests guests =
            new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @AfterEach
    void close() {
        guests.close();
        fake.close();
    }

    private Domain restore(byte[] image) throws Exception {
        Path file = Files.write(folder.resolve("image"), image);
        guests.restore(
                new SavePlace(file, SavePlace.Kind.FILE),
                ClockPolicy.STAND_STILL,
                false,
                false,
                _ -> {});
        return fake.next();
    }

    private String node(DomId id, String name) {
        try (XenStoreClient client = fake.hypervisor.xenstore().client()) {
            return client.read("/local/domain/" + id.value() + "/" + name);
        } catch (XenError e) {
            return e.symbol();
        }
    }

    private List<DomId> ids() {
        List<DomId> ids = new ArrayList<>();
        domains.forEach(domain -> ids.add(domain.id()));
        return ids;
    }

    @Test
    void aGuestOfXenGoesOnAsInANewDomain() throws Exception {
        Domain domain = restore(TestImages.image(2).bytes());

        assertEquals("web", domain.config().name());
        assertEquals(
                UUID.fromString("0f0f0f0f-1111-2222-3333-444455556666"), domain.config().uuid());
        assertEquals(4 << 16 | 17, domain.config().xenVersion());
        assertTrue(domain.config().events().fifo());
        assertEquals(Optional.of(LAYOUT), domain.layout());
        assertEquals("web", node(domain.id(), "name"));
        assertEquals("1044476", node(domain.id(), "store/ring-ref"));
        assertEquals("offline", node(domain.id(), "cpu/1/availability"));
        // The ports of XenStore and the console are the only ones.
        long store = domain.params().get(HvmParams.STORE_EVTCHN);
        assertEquals(0xfeffc, domain.params().get(HvmParams.STORE_PFN));
        assertEquals(0xfefff, domain.params().get(HvmParams.CONSOLE_PFN));
        assertEquals(2, domain.eventChannels().save().ports().size());
        assertEquals(
                EvtchnStatus.Interdomain.class,
                domain.eventChannels().status(DomId.SELF, new EvtchnPort((int) store)).getClass());
        assertFalse(domain.isPaused());
        // All ports are masked until the guest unmasks them.
        assertEquals(
                -1,
                domain.special().page(SpecialPages.SHARED_INFO).get(ValueLayout.JAVA_LONG, 0xa00));
    }

    @Test
    void memoryIsThatOfTheImage() throws Exception {
        Domain domain = restore(TestImages.image(1).bytes());
        GuestMemory memory = domain.memory().guest();

        assertEquals(0x0101_0101_0101_0101L, memory.read64(0x1000));
        assertEquals(0x0404_0404_0404_0404L, memory.read64(0xfc00_0000L));
        // Xen's own pages begin anew.
        assertEquals(0, domain.special().console().get(ValueLayout.JAVA_LONG, 0));
        assertEquals(2047 + 9, domain.memory().ownedPages());
        // The frame that the image does not have can be had: the guest shows shared_info there.
        assertThrows(XenError.class, () -> domain.memory().page(3));
        domain.sharedInfo().map(0, 3);
        assertEquals(3, domain.memory().overlayOf(8));
    }

    @Test
    void itsMemoryCannotComeLater() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        SavePlace image =
                new SavePlace(
                        Files.write(folder.resolve("image"), TestImages.image(1).bytes()),
                        SavePlace.Kind.FILE);
        String refused =
                image.path()
                        + ": real Xen has saved it: its memory cannot come later, and it has no clones";

        assertEquals(
                refused,
                assertThrows(
                                Refused.class,
                                () ->
                                        guests.restore(
                                                image,
                                                ClockPolicy.STAND_STILL,
                                                true,
                                                false,
                                                _ -> {}))
                        .reason());
        assertEquals(
                refused,
                assertThrows(Refused.class, () -> guests.makeClones(image, 1, null, false, _ -> {}))
                        .reason());
        assertEquals(List.of(), ids());
    }

    @Test
    void noneOfOurDevicesAreOffered() throws Exception {
        Domain domain = restore(TestImages.image(1).bytes());
        assertEquals(0xff, fake.domains().ports(domain).read(AcpiTables.COM1_PORT + 5, 1));
        assertTrue(
                domain.reportedMemoryMap().entries().stream()
                        .noneMatch(entry -> entry.start() == 0xfec0_0000L));
    }

    @Test
    void anImportedGuestIsSavedAndRestoredAsAnyOther() throws Exception {
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        String config =
                XlImage.config("web", 2, TestImages.MEMORY_KIB)
                        .replace("/boot/of-another-host", kernel.toString());
        Domain first = restore(TestImages.image(config, 2).bytes());
        SavePlace saved = save(first);

        guests.restore(saved, ClockPolicy.STAND_STILL, false, false, _ -> {});

        Domain second = fake.next();
        assertEquals(first.id(), second.id());
        assertEquals(Optional.of(LAYOUT), second.layout());
        assertEquals(0x0101_0101_0101_0101L, second.memory().guest().read64(0x1000));
        assertThrows(XenError.class, () -> second.memory().page(3));

        second.shutdown(ShutdownReason.REBOOT, "");
        Domain third = fake.next();
        assertNotEquals(second.id(), third.id());
        assertEquals(Optional.empty(), third.layout());
    }

    @Test
    void aGuestIsAlsoSavedWithoutItsKernelButBootsNoMore() throws Exception {
        Domain first = restore(TestImages.image(1).bytes());
        SavePlace saved = save(first);

        guests.restore(saved, ClockPolicy.STAND_STILL, false, false, _ -> {});

        Domain second = fake.next();
        assertEquals(0x0101_0101_0101_0101L, second.memory().guest().read64(0x1000));
        HostedGuest hosted = Objects.requireNonNull(guests.named("web"));
        second.shutdown(ShutdownReason.REBOOT, "");
        hosted.awaitEnd();
        assertEquals(List.of(), ids());
    }

    /// Saves a guest, and waits until it has ended.
    private SavePlace save(Domain domain) throws Exception {
        SavePlace place = new SavePlace(folder.resolve("saved"), SavePlace.Kind.FILE);
        HostedGuest hosted = guests.named("web");
        domains.order(
                domain, new DomainOrder.Save(place, DomainOrder.Then.END, false, _ -> {}, _ -> {}));
        if (hosted != null) {
            hosted.awaitEnd();
        }
        return place;
    }

    @Test
    void nothingIsMadeOfAnImageThatIsRefused() throws Exception {
        byte[] image = TestImages.image(1).bytes();
        image[image.length - 8] = 5;
        String reason = assertThrows(BootException.class, () -> restore(image)).getMessage();
        assertEquals(
                folder.resolve("image")
                        + ": record CHECKPOINT_STATE: it belongs to a stream of checkpoints (COLO)",
                reason);
        assertEquals(List.of(), ids());
    }

    @Test
    void aGuestThatCannotBeHadHereIsRefusedAtOnce() throws IOException {
        String config = XlImage.config("web", 1, TestImages.MEMORY_KIB).replace("pvh", "pv");
        byte[] image = TestImages.image(config, 1).bytes();
        assertEquals(
                folder.resolve("image") + ": it is a PV guest, and only PVH guests can be imported",
                assertThrows(Refused.class, () -> restore(image)).reason());
        assertEquals(List.of(), ids());
        byte[] hidden =
                TestImages.image(XlImage.config("a/b", 1, TestImages.MEMORY_KIB), 1).bytes();
        assertEquals(
                folder.resolve("image") + ": 'a/b' cannot be a domain's name",
                assertThrows(Refused.class, () -> restore(hidden)).reason());
    }
}
