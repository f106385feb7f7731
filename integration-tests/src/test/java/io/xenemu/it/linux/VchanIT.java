package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.GuestProgram;
import io.xenemu.it.fixture.GuestPrograms;
import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two Linux guests of one service share memory: Debian's vchan on both sides, with the kernel's drivers for grants and
/// events.
@ExtendWith(LabExtension.class)
class VchanIT {
    /// Many times around the rings, which have 1 and 2 KiB.
    private static final int BYTES = 40_000;

    /// More than a lab moves while a guest is saved. The second half waits until the guests go on, in any case.
    private static final int MANY_BYTES = 1_000_000;

    private static final int METRICS_PORT = 9117;

    private static final String SAVED = "/run/vchan.saved";

    private static final Pattern SUMS =
            Pattern.compile("mine=([0-9a-f]{64}) theirs=([0-9a-f]{64}) have");

    private static final Pattern REF = Pattern.compile("ref (\\d+)\\.");

    private static final String MODULES =
            "modprobe -a xen-evtchn xen-gntalloc xen-gntdev xen-privcmd";

    @Test
    void bytesGoBothWaysAndEachSideOutlivesTheOther(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        List<String> image = image(lab);
        try (LabGuest server = daemon.boot("server", image)) {
            ready(server);
            try (LabGuest client = daemon.boot("client", image)) {
                ready(client);
                swap(server, client);
                theEndOfTheClientsProgram(daemon, server, client);
                theEndOfTheClient(daemon, server, client);
            }
            try (LabGuest other = daemon.boot("other", image)) {
                ready(other);
                theEndOfTheServer(daemon, server, other);
            }
        }
        daemon.assertNoBug();
    }

    /// Both move to another daemon in the middle of a transfer, and then are saved there: the page that one of them
    /// maps, and their event channel, go with them.
    @Test
    void guestsThatMoveAndAreSavedTogetherGoOnWithTheirVchan(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabDaemon other = LabDaemon.start(lab, "/run/vchan-daemon", METRICS_PORT)) {
            moveAndSave(daemon, other, image(lab));
            other.assertNoBug();
        }
        restore(lab, daemon);
        daemon.assertNoBug();
    }

    private static void moveAndSave(LabDaemon daemon, LabDaemon other, List<String> image)
            throws IOException, InterruptedException {
        try (LabGuest server = daemon.boot("server", image);
                LabGuest client = daemon.boot("client", image)) {
            ready(server);
            ready(client);
            server.shell()
                    .run(
                            "(vchan-swap server %d data/swap %d /tmp/go >/tmp/sums 2>&1 &)"
                                    .formatted(client.id(), MANY_BYTES));
            client.shell()
                    .run(
                            "(vchan-swap client %1$d /local/domain/%1$d/data/swap %2$d /tmp/go >/tmp/sums 2>&1 &)"
                                    .formatted(server.id(), MANY_BYTES));
            daemon.awaitMeter(granted(server), "1.0");
            String blocked = daemon.ask("save server " + SAVED);
            assertTrue(
                    blocked.contains("grants: dom%d maps pages".formatted(client.id())), blocked);
            String receive = String.join(" ", other.command("migrate-receive", List.of()));
            String moved = daemon.run("migrate", List.of("--ssh", "", "server", "client", receive));
            assertTrue(moved.startsWith("moved to "), moved);
            assertEquals(0, server.console().awaitExit(), server.console()::told);
            assertEquals(0, client.console().awaitExit(), client.console()::told);
            assertFalse(server.console().output().contains("mine="));
        }
        assertEquals("|server client\nok\n", other.ask("migrate-groups"));
        assertEquals("ok\n", other.ask("save server " + SAVED + " with client"));
    }

    private static void restore(Lab lab, LabDaemon daemon)
            throws IOException, InterruptedException {
        assertEquals(
                "error: "
                        + SAVED
                        + ": there is more than one guest in it: their memory cannot come later\n",
                daemon.ask("restore " + SAVED + " lazy"));
        assertEquals("ok\n", daemon.ask("restore " + SAVED + " paused"));
        try (RunningCommand server = daemon.console("server");
                RunningCommand client = daemon.console("client")) {
            assertEquals("ok\n", daemon.ask("unpause client"));
            assertEquals("ok\n", daemon.ask("unpause server"));
            GuestShell atServer = new GuestShell(server);
            GuestShell atClient = new GuestShell(client);
            atServer.run("touch /tmp/go");
            atClient.run("touch /tmp/go");
            assertSwapped(atServer, atClient);
            atServer.assertNoComplaint();
            atClient.assertNoComplaint();
            copiesGoOnWhileTheServerIsSaved(daemon, atServer, client);
        } finally {
            daemon.ask("destroy server");
            daemon.ask("destroy client");
            lab.shell("rm -f " + SAVED);
        }
    }

    /// The client copies messages into a page of the server's, which is saved meanwhile and then restored. No copy is
    /// lost, and none comes twice.
    ///
    /// @param client its console, where the sender of the messages then runs
    private static void copiesGoOnWhileTheServerIsSaved(
            LabDaemon daemon, GuestShell server, RunningCommand client)
            throws IOException, InterruptedException {
        String offered =
                server.run(
                        "(grant-stream take %d >/tmp/taken 2>&1 &) ; while ! grep ref /tmp/taken; do sleep 0.2; done"
                                .formatted(daemon.id("client")));
        Matcher ref = REF.matcher(offered);
        assertTrue(ref.find(), offered);
        client.type("grant-stream send %d %s\n".formatted(daemon.id("server"), ref.group(1)));
        String stood = daemon.ask("save server " + SAVED + " checkpoint");
        assertTrue(stood.endsWith("ok\n"), stood);
        assertEquals("ok\n", daemon.ask("save server " + SAVED));
        client.awaitText("waits.");
        assertEquals("ok\n", daemon.ask("restore " + SAVED + " paused"));
        try (RunningCommand restored = daemon.console("server")) {
            assertEquals("ok\n", daemon.ask("unpause server"));
            client.awaitText("goes on.");
            client.type("\n");
            client.awaitText("sent ");
            GuestShell shell = new GuestShell(restored);
            shell.check("while ! grep -q passed /tmp/taken; do sleep 0.2; done; cat /tmp/taken");
            shell.assertNoComplaint();
        }
    }

    private static void assertSwapped(GuestShell server, GuestShell client)
            throws IOException, InterruptedException {
        String read = "while ! grep -q mine= /tmp/sums; do sleep 0.2; done; cat /tmp/sums";
        MatchResult atServer = sums(server.run(read));
        MatchResult atClient = sums(client.run(read));
        assertEquals(atServer.group(1), atClient.group(2));
        assertEquals(atClient.group(1), atServer.group(2));
    }

    private static void ready(LabGuest guest) throws IOException, InterruptedException {
        guest.shell().awaitBoot();
        guest.shell().run(MODULES);
    }

    private static void swap(LabGuest server, LabGuest client)
            throws IOException, InterruptedException {
        server.shell()
                .run(
                        "(vchan-swap server %d data/swap %d >/tmp/sums 2>&1 &)"
                                .formatted(client.id(), BYTES));
        MatchResult atClient =
                sums(
                        client.shell()
                                .run(
                                        "vchan-swap client %1$d /local/domain/%1$d/data/swap %2$d"
                                                .formatted(server.id(), BYTES)));
        MatchResult atServer =
                sums(
                        server.shell()
                                .run(
                                        "while ! grep -q mine= /tmp/sums; do sleep 0.2; done; cat /tmp/sums"));
        assertEquals(atServer.group(1), atClient.group(2));
        assertEquals(atClient.group(1), atServer.group(2));
    }

    private static MatchResult sums(String output) {
        return SUMS.matcher(output)
                .results()
                .findFirst()
                .orElseThrow(() -> new AssertionError(output));
    }

    /// Leaves a vchan open on which the client has said something.
    private static void connect(LabGuest server, LabGuest client)
            throws IOException, InterruptedException {
        server.shell()
                .run(
                        "rm -f /tmp/heard; (sleep 10000 | vchan-socket-proxy --mode=server %d data/open - >/tmp/heard 2>&1 &)"
                                .formatted(client.id()));
        client.shell()
                .run(
                        "( (echo hello; sleep 10000) | vchan-socket-proxy --mode=client %1$d /local/domain/%1$d/data/open - &)"
                                .formatted(server.id()));
        server.shell().run("while ! grep -q hello /tmp/heard; do sleep 0.2; done");
    }

    /// The client's kernel tells it by the byte and the event of gntdev's unmap notification.
    private static void theEndOfTheClientsProgram(
            LabDaemon daemon, LabGuest server, LabGuest client)
            throws IOException, InterruptedException {
        connect(server, client);
        String granted = granted(server);
        daemon.awaitMeter(granted, "1.0");
        client.shell().run("killall -9 vchan-socket-proxy; killall sleep");
        server.shell().run("while pidof vchan-socket-proxy; do sleep 0.2; done; killall sleep");
        daemon.awaitMeter(granted, "0.0");
    }

    /// Nothing that it had mapped is left in use.
    private static void theEndOfTheClient(LabDaemon daemon, LabGuest server, LabGuest client)
            throws IOException, InterruptedException {
        connect(server, client);
        String granted = granted(server);
        daemon.awaitMeter(granted, "1.0");
        client.destroy();
        daemon.awaitMeter(granted, "0.0");
        server.shell().run("killall -9 vchan-socket-proxy; killall sleep");
        server.shell().assertNoComplaint();
    }

    /// The page is the client's until it lets it go: there it reads, after the server's death, that nobody is on the
    /// other side.
    private static void theEndOfTheServer(LabDaemon daemon, LabGuest server, LabGuest client)
            throws IOException, InterruptedException {
        connect(server, client);
        client.shell().run("killall -STOP vchan-socket-proxy");
        server.shell().run("killall -9 vchan-socket-proxy");
        server.destroy();
        String mapped = "xen_gnttab_maptrack_mappings{domain=\"" + client.id() + "\"}";
        daemon.awaitMeter(mapped, "1.0");
        client.shell()
                .run(
                        "killall -CONT vchan-socket-proxy; while pidof vchan-socket-proxy; do sleep 0.2; done");
        daemon.awaitMeter(mapped, "0.0");
        client.shell().assertNoComplaint();
    }

    /// How often a page of a guest's is mapped.
    private static String granted(LabGuest guest) throws IOException, InterruptedException {
        return "xen_gnttab_mappings{domain=\"" + guest.id() + "\"}";
    }

    private static List<String> image(Lab lab) throws IOException, InterruptedException {
        List<GuestProgram> programs = new ArrayList<>(GuestPrograms.build("grant-stream"));
        programs.add(lab.images().vchanSocketProxy());
        programs.add(GuestProgram.of(Path.of("src/guest/linux/vchan-swap")));
        return LinuxImages.arguments(lab, "6.12", Optional.empty(), programs, "--memory", "256M");
    }
}
