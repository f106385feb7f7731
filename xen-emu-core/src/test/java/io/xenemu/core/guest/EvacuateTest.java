package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.cli.ToolRunner;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `xen-emu evacuate` moves what can move.
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class EvacuateTest {
    private static final String HEADER =
            "Name                                      Time(s)  Result";

    @TempDir private Path folder = Path.of("");

    @Test
    void allGuestsMoveButThoseThatCannot() throws Exception {
        try (ToolRunner tool = ToolRunner.start(Map.of());
                TwoServices services = new TwoServices(folder, tool)) {
            services.create("web").add(OwnPart.unsaved("clay", "it is wet"));
            services.create("db");
            services.create("mail");

            List<String> rows =
                    services.assertSays(1, "", "evacuate", "--ssh", "", services.host())
                            .lines()
                            .toList();

            assertEquals(HEADER, rows.getFirst());
            assertEquals(
                    List.of(
                            "db moved to " + services.host(),
                            "mail moved to " + services.host(),
                            "web stays: web cannot be migrated: clay: it is wet"),
                    rows.stream().skip(1).map(EvacuateTest::withoutFigures).sorted().toList());
            assertEquals(GuestState.RUNNING, services.guests.state("web"));
            for (String moved : List.of("db", "mail")) {
                assertNull(services.guests.named(moved));
                assertNotNull(services.guestsThere.named(moved));
            }

            services.guests.close();
            assertEquals(
                    HEADER + "\n",
                    services.assertSays(0, "", "evacuate", "--ssh", "", services.host()));
        }
    }

    @Test
    void guestsThatShareMoveTogether() throws Exception {
        try (ToolRunner tool = ToolRunner.start(Map.of());
                TwoServices services = new TwoServices(folder, tool)) {
            Domain web = services.create("web");
            services.create("mail");
            Domain db = services.create("db");
            EvtchnPort offered = web.eventChannels().allocUnbound(DomId.SELF, db.id());
            EvtchnPort _ = db.eventChannels().bindInterdomain(web.id(), offered);

            assertEquals("web db\nmail\n", services.assertSays(0, "", "migrate-groups"));
            assertEquals(
                    List.of(
                            "mail moved to " + services.host(),
                            "web, db moved to " + services.host()),
                    services.assertSays(0, "", "evacuate", "--ssh", "", services.host())
                            .lines()
                            .skip(1)
                            .map(EvacuateTest::withoutFigures)
                            .sorted()
                            .toList());
            assertEquals(List.of(), services.guests.left());
            assertEquals(3, services.guestsThere.left().size());
        }
    }

    @Test
    void groupMovesByItsNames() throws Exception {
        try (ToolRunner tool = ToolRunner.start(Map.of());
                TwoServices services = new TwoServices(folder, tool)) {
            Domain web = services.create("web");
            Domain db = services.create("db");
            int _ = SharingGuests.map(web, db);

            services.assertRefuses(
                    "web cannot be migrated: grants: dom2 maps pages of it",
                    "migrate",
                    "--ssh",
                    "",
                    "web",
                    services.host());
            services.assertRefuses(
                    "web is named twice", "migrate", "--ssh", "", "web", "web", services.host());
            String said =
                    services.assertSays(
                            0, "", "migrate", "--ssh", "", "db", "web", services.host());
            assertTrue(said.startsWith("moved to " + services.host()), said);
            assertEquals(List.of(), services.guests.left());
            assertEquals(
                    List.of("web", "db"),
                    services.guestsThere.migrations().list().getLast().guests());
            assertEquals(
                    "web and db to %s: done".formatted(services.host()),
                    services.assertSays(0, "", "migrate-status")
                            .lines()
                            .toList()
                            .getLast()
                            .replaceAll(", round.*", ""));
        }
    }

    private static String withoutFigures(String row) {
        assertTrue(row.matches(".{40} +[0-9]+[.][0-9]  .*"), row);
        return row.replaceAll(" +[0-9]+[.][0-9] +", " ").replaceAll(" in [0-9]+ rounds.*", "");
    }

    @Test
    void optionsThatAreOfNoUseAreRefused() throws Exception {
        try (ToolRunner tool = ToolRunner.start(Map.of())) {
            assertEquals(2, tool.run(List.of("evacuate", "--parallel", "0", "other")).exit());
            assertTrue(tool.errors().contains("--parallel: at least 1"), tool.errors());
            for (List<String> verb : List.of(List.of("evacuate"), List.of("migrate", "web"))) {
                List<String> command = new ArrayList<>(verb);
                command.addAll(List.of("--force", "other"));
                assertEquals(2, tool.run(command).exit());
                assertTrue(tool.errors().contains("--force needs --timeout"), tool.errors());
                command.set(command.indexOf("--force"), "--replace-storage");
                assertEquals(2, tool.run(command).exit());
                assertTrue(
                        tool.errors().contains("--replace-storage needs --copy-storage"),
                        tool.errors());
                command.addAll(List.of("--copy-storage", "--trust-storage"));
                assertEquals(2, tool.run(command).exit());
                assertTrue(
                        tool.errors().contains("--trust-storage is for disks that both hosts see"),
                        tool.errors());
                for (String streams : List.of("0", "17")) {
                    List<String> several = new ArrayList<>(verb);
                    several.addAll(List.of("--streams", streams, "other:8002"));
                    assertEquals(2, tool.run(several).exit());
                    assertTrue(tool.errors().contains("--streams: 1 to 16"), tool.errors());
                }
                List<String> several = new ArrayList<>(verb);
                several.addAll(List.of("--streams", "2", "--postcopy", "other:8002"));
                assertEquals(2, tool.run(several).exit());
                assertTrue(tool.errors().contains("over one connection"), tool.errors());
            }
            assertEquals(1, tool.run(List.of("migrate", "--streams", "2", "web", "other")).exit());
            assertTrue(
                    tool.errors()
                            .contains(
                                    "--streams needs HOST:PORT: a guest that goes by ssh has one connection"),
                    tool.errors());
        }
    }
}
