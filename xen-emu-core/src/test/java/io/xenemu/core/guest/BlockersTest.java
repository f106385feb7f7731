package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.cli.ToolRunner;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.gnttab.MapBatch;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What `xen-emu save`, `migrate` and `restore` say about a guest that cannot be moved: lines with the reasons, and
/// exit code 1. The guest goes on. A mounted share is in `SaveRestoreIT`.
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class BlockersTest {
    private static final long GRANTED_GFN = 0x500;
    private static final long MAPPED_GFN = 0x600;
    private static final int GREF = 9;
    private static final int PERMIT_ACCESS = 1;
    private static final int HOST_MAP = 2;

    private static @Nullable ToolRunner tool;

    @TempDir private Path folder = Path.of("");
    private @Nullable TwoServices services;

    @BeforeAll
    static void startTool() throws IOException {
        tool = ToolRunner.start(Map.of());
    }

    @AfterAll
    static void endTool() {
        if (tool != null) {
            tool.close();
        }
    }

    @BeforeEach
    void serve() throws IOException {
        services = new TwoServices(folder, Objects.requireNonNull(tool));
    }

    @AfterEach
    void close() throws IOException {
        services().close();
    }

    private TwoServices services() {
        return Objects.requireNonNull(services);
    }

    private HostedGuests guests() {
        return services().guests;
    }

    private Domain create(String name, DeviceSpec... devices) throws Exception {
        return services().create(name, devices);
    }

    private String saved() {
        return folder.resolve("saved").toString();
    }

    private void assertSays(int exit, String lines, String verb, String... words)
            throws IOException {
        String _ = services().assertSays(exit, lines, verb, words);
    }

    private void assertRefuses(String lines, String verb, String... words) throws IOException {
        services().assertRefuses(lines, verb, words);
    }

    /// Both verbs name what is in the way, and nothing has happened.
    private void assertStays(Domain domain, String... reasons) throws IOException {
        String all = String.join("\n", reasons);
        String name = domain.config().name();
        assertRefuses(name + " cannot be saved: " + all, "save", name, saved());
        assertFalse(Files.exists(Path.of(saved())));
        String moved = name + " cannot be migrated: " + reasons[0];
        assertRefuses(moved, "migrate", "--ssh", "", name, "cat");
        assertRefuses(moved, "migrate", "--ssh", "", "--dry-run", name, "cat");
        assertEquals(GuestState.RUNNING, guests().state(name));
        assertFalse(domain.isHeld());
    }

    private static void map(Domain from, Domain to) {
        MemorySegment entries = from.special().page(SpecialPages.grantFrame(0));
        entries.set(ValueLayout.JAVA_INT, GREF * 8L + 4, Math.toIntExact(GRANTED_GFN));
        entries.set(ValueLayout.JAVA_SHORT, GREF * 8L + 2, (short) to.id().value());
        entries.set(ValueLayout.JAVA_SHORT, GREF * 8L, (short) PERMIT_ACCESS);
        MapBatch batch = new MapBatch();
        batch.add(MAPPED_GFN << 12, HOST_MAP, GREF, from.id());
        to.grantTable().map(batch);
        assertEquals(GrantStatus.OKAY, batch.status(0));
    }

    @Test
    void pageSharedWithAnotherGuest() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        map(web, db);

        assertStays(web, "grants: dom2 maps pages of it");
        assertStays(db, "grants: it maps pages of dom1");
        assertSays(0, "", "save", "web", "db", saved());
    }

    @Test
    void channelToAnotherGuest() throws Exception {
        Domain web = create("web");
        Domain db = create("db");
        EvtchnPort offered = web.eventChannels().allocUnbound(DomId.SELF, db.id());
        assertSays(0, "", "save", "-c", "web", saved());
        Files.delete(Path.of(saved()));
        db.eventChannels().bindInterdomain(web.id(), offered);

        assertStays(web, "evtchn: it has an event channel to dom2");
        assertStays(db, "evtchn: it has an event channel to dom1");
    }

    @Test
    void partThatIsNotSaved() throws Exception {
        Domain web = create("web");
        web.add(OwnPart.unsaved("clay", "it is wet"));

        assertStays(web, "clay: it is wet");
    }

    @Test
    void allReasonsAtOnce() throws Exception {
        Domain web = create("web");
        web.add(OwnPart.unsaved("clay", "it is wet"));
        web.add(OwnPart.unsaved("glass", "it is thin"));

        assertStays(web, "clay: it is wet\nglass: it is thin");
    }

    private void backStates(Domain driver, int id, String state) throws Exception {
        String node = "/local/domain/%d/backend/vbd/1/%d/state".formatted(driver.id().value(), id);
        try (XenStoreClient client = services().here.hypervisor.xenstore().client()) {
            client.write(node, state);
        }
    }

    @Test
    void deviceOfADriverDomain() throws Exception {
        Domain web = create("web");
        web.params().set(HvmParams.CALLBACK_IRQ, 1);
        Domain driver = create("driver");
        DeviceSpec spec = DiskSpec.parse(List.of("/dev/vg/disk,raw,xvdb,rw,backend=driver"));
        PvDevice device = services().here.hypervisor.devices().attachment().create("web", spec);
        backStates(driver, 51728, "2");
        services().here.hypervisor.devices().attachment().devices().awaitBackend(device, spec);

        assertStays(
                web,
                "devices of other domains: dom2 serves vbd 51728",
                "web can take part instead: save --suspend saves it");
    }

    /// The other host says what it lacks, for both ways to get there.
    @Test
    void processorWithFewerFeatures() throws Exception {
        create("web");
        services().there.domains().loseFeature();

        assertRefuses(
                services().host() + ": web: a guest of this host cannot have avx512f",
                "migrate",
                "--ssh",
                "",
                "web",
                services().host());
        assertEquals(GuestState.RUNNING, guests().state("web"));
        assertSays(0, "", "save", "web", saved());
        services().here.domains().loseFeature();
        assertRefuses("web: a guest of this host cannot have avx512f", "restore", saved());
        assertNull(guests().named("web"));
    }

    @Test
    void nameThatIsTaken() throws Exception {
        create("web");
        services().guestsThere.create(services().request("web"), false);

        assertRefuses(
                services().host() + ": a domain has this name already: web",
                "migrate",
                "--ssh",
                "",
                "web",
                services().host());
        assertEquals(GuestState.RUNNING, guests().state("web"));
        assertSays(0, "", "save", "-c", "web", saved());
        assertRefuses("a domain has this name already: web", "restore", saved());
    }
}
