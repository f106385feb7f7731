package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux guests of one daemon come and go by the commands, and go with it.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class DaemonIT {
    /// The shared daemon has another one.
    private static final int METRICS_PORT = 9101;

    private static final Pattern EVENT =
            Pattern.compile(
                    "\"type\": \"(\\w+)\".*\"name\": \"(\\w+)\"(?:, \"reason\": \"([\\w-]+)\")?");

    @Test
    void guestsComeAndGoAndEndWithTheDaemon(Lab lab) throws IOException, InterruptedException {
        List<String> image =
                LinuxImages.arguments(lab, "6.12", Optional.empty(), "--memory", "256M");
        try (LabDaemon daemon = LabDaemon.start(lab, "/run/daemon", METRICS_PORT)) {
            RunningCommand events = daemon.events();
            List<String> paused = new ArrayList<>(List.of("--name", "first", "-p"));
            paused.addAll(image);
            assertEquals("", daemon.run("create", paused));
            assertTrue(daemon.ask("list first").contains("--p---"));
            assertEquals("ok\n", daemon.ask("unpause first"));
            daemon.create("second", image);
            List<String> again = new ArrayList<>(List.of("--name", "second"));
            again.addAll(image);
            String refusal = "xen-emu: a domain has this name already: second\n";
            assertEquals(new Lab.Result(1, "", refusal), daemon.exec("create", again));
            assertEquals(List.of("first", "second"), listed(daemon));
            assertEquals("first\nsecond\n", inXenStore(daemon));

            try (RunningCommand console =
                    lab.startRunning(daemon.command("console", List.of("first")))) {
                GuestShell shell = new GuestShell(console);
                shell.awaitBoot();
                assertEquals("|1\nok\n", daemon.ask("domid first"));
                assertEquals("ok\n", daemon.ask("reboot first wait"));
                shell.awaitBoot();
                assertEquals("|3\nok\n", daemon.ask("domid first"));
                assertEquals("ok\n", daemon.ask("shutdown 3 wait"));
                assertEquals(0, console.awaitExit(), console.output());
            }
            assertEquals("error: no such domain: first\n", daemon.ask("console pv first"));
            assertEquals("second\n", inXenStore(daemon));
            assertEquals("", daemon.run("destroy", List.of("second")));
            assertEquals("", inXenStore(daemon));
            daemon.create("third", image);
            try (RunningCommand console =
                    lab.startRunning(daemon.command("console", List.of("third")))) {
                new GuestShell(console).awaitBoot();
                daemon.process().terminate();
                assertEquals(0, daemon.process().awaitExit(), daemon.process().output());
                assertEquals(0, console.awaitExit(), console.output());
                assertTrue(console.output().contains("reboot: Power down"), console.output());
            }
            assertEquals(0, events.awaitExit(), events.output());
            assertEquals(
                    List.of(
                            "created",
                            "paused",
                            "started",
                            "unpaused",
                            "shutdown reboot",
                            "destroyed",
                            "created",
                            "started",
                            "shutdown poweroff",
                            "destroyed"),
                    eventsOf("first", events.output()));
            assertEquals(
                    List.of("created", "started", "shutdown destroyed", "destroyed"),
                    eventsOf("second", events.output()));
        }
        assertEquals("gone\n", lab.shell("ls /run/daemon/* 2>/dev/null || echo gone"));
    }

    /// Types and reasons of a guest's events.
    private static List<String> eventsOf(String guest, String events) {
        return EVENT.matcher(events)
                .results()
                .filter(event -> event.group(2).equals(guest))
                .map(event ->
                        event.group(3) == null
                                ? event.group(1)
                                : event.group(1) + " " + event.group(3))
                .toList();
    }

    /// Names in `xen-emu list`.
    private static List<String> listed(LabDaemon daemon) throws IOException, InterruptedException {
        return daemon.run("list", List.of())
                .lines()
                .skip(1)
                .map(line -> line.split(" ", 2)[0])
                .toList();
    }

    /// The names of the existing domains in XenStore.
    private static String inXenStore(LabDaemon daemon) throws IOException, InterruptedException {
        return daemon.xenStore(
                "for id in $(xenstore-list /local/domain); do"
                        + " test $id = 0 || xenstore-read /local/domain/$id/name; done | sort");
    }
}
