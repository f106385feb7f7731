package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.GuestProgram;
import io.xenemu.it.guest.TestGuests;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;

/// A daemon with one working Linux guest, beside which guests of `src/guest/hostile` play their roles. A role and its test speak through
/// nodes `data/NAME` of the role's domain.
final class HostileNeighbours implements AutoCloseable {
    private static final String WEB = "web";
    private static final Pattern TICK = Pattern.compile("tick (\\d+)\r?\n");
    private static final Pattern ID = Pattern.compile("^\\|(\\d+)$", Pattern.MULTILINE);
    private static final int LOOKS = 900;

    private final LinuxDaemon daemon;
    private final Path image;
    private final RunningCommand console;
    private final GuestShell web;
    private int checks;

    HostileNeighbours(Lab lab) throws IOException, InterruptedException {
        Path module = Path.of("").toAbsolutePath();
        image = TestGuests.build(module, module.resolve("target/hostile-guests")).hostile();
        daemon = LinuxDaemon.start(lab, "/run/hostile");
        daemon.xenStore("xenstore-write /shared ''; xenstore-chmod /shared b0");
        daemon.create(WEB, linux(lab));
        console = daemon.console(WEB);
        web = new GuestShell(console);
        web.awaitBoot();
        // Whatever else this guest does, a line each 0.2 s: none may be missing.
        web.run("(i=0; while :; do i=$((i+1)); echo tick $i; usleep 200000; done &)");
        works();
    }

    private static List<String> linux(Lab lab) throws IOException {
        List<GuestProgram> programs = new ArrayList<>();
        for (String tool : List.of("read", "write", "watch")) {
            programs.add(lab.images().xenstoreTool("xenstore-" + tool));
        }
        return LinuxImages.arguments(
                lab, "6.12", Optional.empty(), programs, "--memory", "256M", "--vcpus", "1");
    }

    /// The daemon of all of them.
    LinuxDaemon daemon() {
        return daemon;
    }

    /// Starts a guest with a role.
    ///
    /// @param role words of its command line
    /// @return its domain id
    int start(String name, String role, String... more) throws IOException, InterruptedException {
        List<String> kernel =
                List.of("--kernel", image.toString(), "--append", role, "--memory", "32M");
        daemon.create(name, kernel, more);
        return id(name);
    }

    /// The id of a guest that there is.
    int id(String name) throws IOException, InterruptedException {
        String reply = daemon.ask("domid " + name);
        Matcher id = ID.matcher(reply);
        if (!id.find()) {
            throw new AssertionError("domid " + name + ": " + reply);
        }
        return Integer.parseInt(id.group(1));
    }

    /// What a role has done, once it has.
    long awaitReport(int domain, String name) throws IOException, InterruptedException {
        String node = "/local/domain/" + domain + "/data/" + name;
        String found =
                daemon.xenStore(
                        "n=0; until xenstore-read %s 2>/dev/null; do n=$((n+1)); test $n -lt %d || { echo no report; break; }; sleep 0.2; done"
                                .formatted(node, LOOKS));
        return Long.parseLong(found.strip());
    }

    /// Tells a role to go on.
    void order(int domain, String name, long value) throws IOException, InterruptedException {
        String node = "/local/domain/" + domain + "/data/" + name;
        daemon.xenStore("xenstore-write " + node + " " + value);
    }

    /// What a role has done, once it has; its next report of that name is another one.
    long takeReport(int domain, String name) throws IOException, InterruptedException {
        long report = awaitReport(domain, name);
        daemon.xenStore("xenstore-rm /local/domain/" + domain + "/data/" + name);
        return report;
    }

    /// Lets a partner or ringer bind to a port of another guest's.
    void connect(int domain, int remote, long port) throws IOException, InterruptedException {
        order(domain, "of", remote);
        order(domain, "port", port);
        long bound = awaitReport(domain, "bound");
        assertTrue(bound > 0, "bound " + bound);
    }

    /// Has a `grant-one` reboot.
    ///
    /// @return its new domain id
    int reboot(String name, int domain) throws IOException, InterruptedException {
        order(domain, "reboot", 1);
        daemon.xenStore(
                "until for d in $(xenstore-list /local/domain); do test $d = %d || xenstore-read /local/domain/$d/name; done | grep -qx %s; do sleep 0.2; done"
                        .formatted(domain, name));
        return id(name);
    }

    /// Ends a guest.
    void destroy(String name) throws IOException, InterruptedException {
        assertEquals("ok\n", daemon.ask("destroy " + name));
    }

    /// The working guest and the host still do what they did: each reads what the other writes, in nodes that a hostile guest
    /// watches, too; a watch of the working guest's fires.
    void works() throws IOException, InterruptedException {
        checks++;
        String seen = "watch " + checks + " fired";
        web.run("xenstore-write /shared/web " + checks);
        // The first event comes for the watch itself.
        web.run(
                "( (xenstore-watch -n 2 /shared/host >/dev/null; echo watch $((%d)) fired) & )"
                        .formatted(checks));
        // The watch may be set after the first write: then a later one fires it.
        for (int look = 0; look == 0 || !console.output().contains(seen); look++) {
            assertTrue(look < LOOKS, "no event for the working guest: " + console.output());
            assertEquals(
                    checks + "\n",
                    daemon.xenStore(
                            "xenstore-write /shared/host %d; sleep 0.2; xenstore-read /shared/web"
                                    .formatted(checks)));
        }
        String read = web.run("xenstore-read /shared/host");
        if (!read.contains("\n" + checks + "\r\n") && !read.contains("\n" + checks + "\n")) {
            throw new AssertionError("the working guest reads: " + read);
        }
    }

    /// Every line that the working guest has printed has come, in order.
    void nothingWasLost() {
        long[] ticks =
                TICK.matcher(console.output())
                        .results()
                        .mapToLong(t -> Long.parseLong(t.group(1)))
                        .toArray();
        assertEquals(
                LongStream.rangeClosed(1, ticks.length).boxed().toList(),
                LongStream.of(ticks).boxed().toList());
    }

    /// The working guest powers itself off, and the daemon ends when it is told.
    void end() throws IOException, InterruptedException {
        web.assertNoComplaint();
        nothingWasLost();
        daemon.daemon().terminate();
        assertEquals(0, daemon.daemon().awaitExit(), daemon.daemon().output());
    }

    @Override
    public void close() {
        console.close();
        daemon.close();
    }
}
