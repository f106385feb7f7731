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

    private static final String TRACE = "/run/first.trace";

    /// A line of a trace.
    private static final Pattern LINE =
            Pattern.compile(" *\\d+\\.\\d{6} (v\\d|--) (\\| )?[a-z_ 0-9]+(\\(.*\\) = .*|: .*)");

    /// Calls that Linux makes while it boots.
    private static final List<String> CALLS_OF_LINUX =
            List.of(
                    "xen_version(get_features, {submap_idx=0, submap=0->",
                    "memory_op(add_to_physmap, {domid=32752, size=0, space=0, idx=0x0, gpfn=",
                    "hvm_op(get_param, {domid=32752, index=1, value=",
                    "event_channel_op(bind_virq, {virq=0, vcpu=1, port=",
                    "grant_table_op(query_size, [{dom=32752, nr_frames=",
                    "sched_op(shutdown, {reason=1}) = 0");

    private static final Pattern REPLAYED =
            Pattern.compile("^\\d+ calls, \\d{3,} compared$", Pattern.MULTILINE);

    private static final Pattern EVENT =
            Pattern.compile(
                    "\"type\": \"(\\w+)\".*\"name\": \"(\\w+)\"(?:, \"reason\": \"([\\w-]+)\")?");

    @Test
    void guestsComeAndGoAndEndWithTheDaemon(Lab lab) throws IOException, InterruptedException {
        List<String> image =
                LinuxImages.arguments(lab, "6.12", Optional.empty(), "--memory", "256M");
        try (LabDaemon daemon = LabDaemon.start(lab, "/run/daemon", METRICS_PORT)) {
            RunningCommand events = daemon.events();
            List<String> paused = new ArrayList<>(List.of("--name", "first", "-p", "--vcpus", "2"));
            paused.addAll(image);
            assertEquals("", daemon.run("create", paused));
            assertTrue(daemon.ask("list first").contains("--p---"));
            RunningCommand trace = record(daemon, "first", TRACE);
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
                traceThatCannotBeWrittenIsRefused(daemon);
                assertEquals("ok\n", daemon.ask("reboot first wait"));
                shell.awaitBoot();
                assertEquals(0, trace.awaitExit(), trace.output());
                assertEquals("|3\nok\n", daemon.ask("domid first"));
                assertEquals("ok\n", daemon.ask("shutdown 3 wait"));
                assertEquals(0, console.awaitExit(), console.output());
            }
            assertEquals("error: no such domain: first\n", daemon.ask("console pv first"));
            assertEquals("second\n", inXenStore(daemon));
            assertEquals("", daemon.run("destroy", List.of("second")));
            assertEquals("", inXenStore(daemon));
            createByXl(daemon, image);
            RunningCommand lines = watch(daemon, "third");
            assertEquals("ok\n", daemon.ask("unpause third"));
            assertEquals("ok\n", daemon.ask("vcpu-pin third all 0"));
            String vcpus = daemon.ask("vcpu-list third");
            assertTrue(vcpus.contains("  0 / all\n"), vcpus);
            String log = daemon.ask("dmesg");
            assertTrue(log.contains("(xen-emu) [") && log.contains("third"), log);
            try (RunningCommand console =
                    lab.startRunning(daemon.command("console", List.of("third")))) {
                new GuestShell(console).awaitBoot();
                daemon.process().terminate();
                assertEquals(0, daemon.process().awaitExit(), daemon.process().output());
                assertEquals(0, lines.awaitExit(), lines.output());
                assertEquals(
                        40,
                        lines.output().lines().filter(it -> LINE.matcher(it).matches()).count(),
                        lines.output());
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
                    List.of("created", "started", "paused", "shutdown destroyed", "destroyed"),
                    eventsOf("second", events.output()));
        }
        assertEquals("gone\n", lab.shell("ls /run/daemon/* 2>/dev/null || echo gone"));
        traceIsPrintedAndReplayed(lab);
    }

    /// A script for xl finds the program under this name, and creates a guest from a file of xl.cfg(5).
    ///
    /// @param image the options of a kernel
    private static void createByXl(LabDaemon daemon, List<String> image)
            throws IOException, InterruptedException {
        String file =
                """
                # by a script
                type = "pvh"; name = "third"
                kernel = "%s"
                ramdisk = '%s'
                cmdline = "%s"
                memory = 64
                vnc = 1
                disk = [
                ]
                """
                        .formatted(
                                value(image, "--kernel"),
                                value(image, "--initrd"),
                                value(image, "--append"));
        String script =
                """
                mkdir -p /run/xl
                ln -sf %s /run/xl/xl
                cat >/run/xl/third.cfg <<'END'
                %sEND
                export PATH=/run/xl:$PATH XEN_EMU_CONTROL_SOCKET=%s
                xl -f create -p /run/xl/third.cfg memory=256 2>&1
                xl domname $(xl domid third)
                xl list | tail -n +2 | awk '{print $1, $4, $5}'
                xl top -b -i 1 | awk '{print $1, $2, $7}'
                test $(xl info free_memory) -gt 0
                xl list -l third | grep -o '"max_memkb": [0-9]*'
                xl pause nobody 2>&1 || echo failed
                """
                        .formatted(daemon.lab().launcher(), file, daemon.socket());
        assertEquals(
                """
                Parsing config from /run/xl/third.cfg
                third
                third 1 --p---
                NAME STATE MAXMEM(k)
                third --p--- 262144
                "max_memkb": 262144
                xl: no such domain: nobody
                failed
                """,
                daemon.lab().shell(script));
    }

    private static String value(List<String> options, String name) {
        return options.get(options.indexOf(name) + 1);
    }

    /// Begins a trace of a paused guest from its first hypercall to its end.
    private static RunningCommand record(LabDaemon daemon, String name, String file)
            throws IOException, InterruptedException {
        RunningCommand trace =
                daemon.lab().startRunning(daemon.command("trace", List.of(name, "-o", file)));
        daemon.lab().shell("until test -s " + file + "; do sleep 0.1; done");
        return trace;
    }

    /// One line for an operator. The state of a paused guest does not fit.
    private static void traceThatCannotBeWrittenIsRefused(LabDaemon daemon)
            throws IOException, InterruptedException {
        assertTrue(daemon.ask("trace first").contains("it is being traced"));
        assertEquals("ok\n", daemon.ask("pause second"));
        daemon.lab().shell("mkdir -p /run/full && mount -t tmpfs -o size=8k none /run/full");
        assertEquals(
                new Lab.Result(1, "", "xen-emu: trace: No space left on device\n"),
                daemon.exec("trace", List.of("second", "-o", "/run/full/trace")));
    }

    /// Begins a trace of a guest that runs, on standard output.
    private static RunningCommand watch(LabDaemon daemon, String name) throws IOException {
        return daemon.lab()
                .startRunning(
                        daemon.command(
                                "trace",
                                List.of(name, "-f", "hypercalls,exits,xenstore", "-n", "40")));
    }

    private static void traceIsPrintedAndReplayed(Lab lab)
            throws IOException, InterruptedException {
        String launcher = lab.launcher().toString();
        String text = lab.shell(launcher + " trace -i " + TRACE);
        for (String call : CALLS_OF_LINUX) {
            assertTrue(text.contains(call), text);
        }
        String replay = lab.shell(launcher + " replay " + TRACE);
        assertTrue(REPLAYED.matcher(replay).find(), replay);
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
