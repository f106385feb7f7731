package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.xenemu.core.lab.GuestProgram;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two Linux guests of one service share memory: Debian's vchan on both sides, with the kernel's drivers for grants and events.
@ExtendWith(LabExtension.class)
class VchanIT {
    /// Many times around the rings, which have 1 and 2 KiB.
    private static final int BYTES = 40_000;

    private static final Pattern SUMS =
            Pattern.compile("mine=([0-9a-f]{64}) theirs=([0-9a-f]{64}) have");

    /// How often a page of the server's is mapped, and how many pages the last client maps.
    private static final String GRANTED = "xen_gnttab_mappings{domain=\"1\"}";

    private static final String MAPPED = "xen_gnttab_maptrack_mappings{domain=\"3\"}";

    private static final String MODULES =
            "modprobe -a xen-evtchn xen-gntalloc xen-gntdev xen-privcmd";

    @Test
    void bothDirectionsAndEitherSidesDeath(Lab lab) throws IOException, InterruptedException {
        try (LinuxDaemon daemon = LinuxDaemon.start(lab, "/run/vchan")) {
            List<String> image = image(lab);
            daemon.create("server", image);
            try (RunningCommand serverConsole = daemon.console("server")) {
                GuestShell server = new GuestShell(serverConsole);
                server.awaitBoot();
                server.run(MODULES);
                daemon.create("client", image);
                try (RunningCommand clientConsole = daemon.console("client")) {
                    GuestShell client = new GuestShell(clientConsole);
                    client.awaitBoot();
                    client.run(MODULES);
                    swap(server, client);
                    theEndOfTheClientsProgram(daemon, server, client);
                    theEndOfTheClient(daemon, server, client);
                }
                daemon.create("other", image);
                try (RunningCommand otherConsole = daemon.console("other")) {
                    GuestShell other = new GuestShell(otherConsole);
                    other.awaitBoot();
                    other.run(MODULES);
                    theEndOfTheServer(daemon, server, other);
                }
            }
            daemon.daemon().terminate();
            assertEquals(0, daemon.daemon().awaitExit(), daemon.daemon().output());
            assertFalse(daemon.daemon().output().contains("\tat "), daemon.daemon().output());
        }
    }

    private static void swap(GuestShell server, GuestShell client)
            throws IOException, InterruptedException {
        server.run("(vchan-swap server 2 data/swap " + BYTES + " >/tmp/sums 2>&1 &)");
        MatchResult atClient =
                sums(client.run("vchan-swap client 1 /local/domain/1/data/swap " + BYTES));
        MatchResult atServer =
                sums(
                        server.run(
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
    private static void connect(GuestShell server, GuestShell client, int clientId)
            throws IOException, InterruptedException {
        server.run(
                "rm -f /tmp/heard; (sleep 10000 | vchan-socket-proxy --mode=server "
                        + clientId
                        + " data/open - >/tmp/heard 2>&1 &)");
        client.run(
                "( (echo hello; sleep 10000) | vchan-socket-proxy --mode=client 1 /local/domain/1/data/open - &)");
        server.run("while ! grep -q hello /tmp/heard; do sleep 0.2; done");
    }

    /// The client's kernel tells it by the byte and the event of gntdev's unmap notification.
    private static void theEndOfTheClientsProgram(
            LinuxDaemon daemon, GuestShell server, GuestShell client)
            throws IOException, InterruptedException {
        connect(server, client, 2);
        daemon.awaitMeter(GRANTED, "1.0");
        client.run("killall -9 vchan-socket-proxy; killall sleep");
        server.run("while pidof vchan-socket-proxy; do sleep 0.2; done; killall sleep");
        daemon.awaitMeter(GRANTED, "0.0");
    }

    /// Nothing is left in use of what it had mapped.
    private static void theEndOfTheClient(LinuxDaemon daemon, GuestShell server, GuestShell client)
            throws IOException, InterruptedException {
        connect(server, client, 2);
        daemon.awaitMeter(GRANTED, "1.0");
        assertEquals("ok\n", daemon.ask("destroy client"));
        daemon.awaitMeter(GRANTED, "0.0");
        server.run("killall -9 vchan-socket-proxy; killall sleep");
        server.assertNoComplaint();
    }

    /// The page is the client's until it lets it go: there it reads, after the server's death, that nobody is on the other side.
    private static void theEndOfTheServer(LinuxDaemon daemon, GuestShell server, GuestShell client)
            throws IOException, InterruptedException {
        connect(server, client, 3);
        client.run("killall -STOP vchan-socket-proxy");
        server.run("killall -9 vchan-socket-proxy");
        assertEquals("ok\n", daemon.ask("destroy server"));
        daemon.awaitMeter(MAPPED, "1.0");
        client.run(
                "killall -CONT vchan-socket-proxy; while pidof vchan-socket-proxy; do sleep 0.2; done");
        daemon.awaitMeter(MAPPED, "0.0");
        client.assertNoComplaint();
    }

    private static List<String> image(Lab lab) throws IOException {
        return LinuxImages.arguments(
                lab,
                "6.12",
                Optional.empty(),
                List.of(
                        lab.images().vchanSocketProxy(),
                        GuestProgram.of(Path.of("src/guest/linux/vchan-swap"))),
                "--memory",
                "256M");
    }
}
