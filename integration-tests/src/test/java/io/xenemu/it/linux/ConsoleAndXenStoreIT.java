package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// One Linux guest seen from the host beside it: its console in both directions, Debian's own XenStore tools, metrics.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class ConsoleAndXenStoreIT {
    /// The shared daemon and others have other ports.
    private static final String METRICS = "127.0.0.1:9103";

    private static final String PROMPT = "/root # ";

    @Test
    void consoleXenStoreAndMetricsOfOneRunServeTheHost(Lab lab)
            throws IOException, InterruptedException {
        RunningCommand guest =
                lab.xenEmuRun(
                        LinuxImages.arguments(
                                lab,
                                "6.12",
                                Optional.empty(),
                                "--name",
                                "alpha",
                                "--vcpus",
                                "2",
                                "--xenstore-socket",
                                "/run/alpha-xenstore",
                                "--metrics",
                                METRICS));
        guest.awaitText(PROMPT);

        consoleCarriesBothDirections(guest);
        xenStoreToolsSeeTheDomain(lab);
        watchSeesTheHostWrite(lab);
        metricsAreServed(lab);

        store(lab, "xenstore-write /local/domain/1/control/shutdown poweroff");
        assertEquals(0, guest.awaitExit(), guest.output());
        assertTrue(guest.output().contains("reboot: Power down"), guest.output());
    }

    /// Far more than the ring, the pipe and every buffer between them hold, to a reader that does not read at first.
    @Test
    void readerThatComesLateLosesNothingOfTheConsole(Lab lab)
            throws IOException, InterruptedException {
        List<String> arguments =
                LinuxImages.arguments(lab, "6.12", Optional.of("seq 1 30000 | sed 's/^/line /'"));
        String command =
                Stream.concat(
                                Stream.of(lab.launcher().toString(), "run", "--lab", "never"),
                                arguments.stream())
                        .map(word -> "'" + word + "'")
                        .collect(Collectors.joining(" "));
        String lines =
                lab.shell(
                        command
                                + " </dev/null | { sleep 20; tr -d '\\r'; } | grep '^line ' >/run/lines;"
                                + " seq 1 30000 | sed 's/^/line /' | cmp - /run/lines && echo whole");
        assertEquals("whole\n", lines);
    }

    private static void consoleCarriesBothDirections(RunningCommand guest)
            throws IOException, InterruptedException {
        guest.type("echo sum=$((20 + 22)) on $(cat /sys/class/tty/console/active)\n");
        guest.awaitText("sum=42 on hvc0");
    }

    private static void xenStoreToolsSeeTheDomain(Lab lab)
            throws IOException, InterruptedException {
        String all = store(lab, "xenstore-ls /local/domain/1");
        assertAll(
                () -> assertEquals("alpha\n", store(lab, "xenstore-read /local/domain/1/name")),
                () -> assertEquals("1\n", store(lab, "xenstore-read /local/domain/1/domid")),
                () ->
                        assertEquals(
                                "524288\n",
                                store(lab, "xenstore-read /local/domain/1/memory/target")),
                () ->
                        assertEquals(
                                "online\n",
                                store(lab, "xenstore-read /local/domain/1/cpu/1/availability")),
                // Linux writes this one through its ring.
                () ->
                        assertEquals(
                                "1\n",
                                store(
                                        lab,
                                        "xenstore-read /local/domain/1/control/feature-poweroff")),
                () -> assertTrue(all.contains("ring-ref"), all),
                () -> assertTrue(all.contains("console"), all));
    }

    private static void watchSeesTheHostWrite(Lab lab) throws IOException, InterruptedException {
        RunningCommand watch =
                lab.startRunning(
                        List.of(
                                "/usr/bin/env",
                                "XENSTORED_PATH=/run/alpha-xenstore",
                                "xenstore-watch",
                                "-n",
                                "2",
                                "/tool/hello"));
        watch.closeInput();
        watch.awaitText("/tool/hello");
        store(lab, "xenstore-write /tool/hello there");
        assertEquals(0, watch.awaitExit(), watch.output());
        assertEquals("there\n", store(lab, "xenstore-read /tool/hello"));
    }

    private static void metricsAreServed(Lab lab) throws IOException, InterruptedException {
        String scrape = LabDaemon.scrape(lab, METRICS);
        for (String series :
                List.of(
                        "xen_hypercalls_total{domain=\"1\",hypercall=\"event_channel_op\",op=\"bind_virq\",result=\"OK\"}",
                        "xen_hypercall_duration_seconds_sum{domain=\"1\",hypercall=\"memory_op\",op=\"add_to_physmap\",result=\"OK\"}",
                        "xen_vcpu_exits_total{domain=\"1\",reason=\"xen\"}",
                        "xen_evtchn_ports{domain=\"1\",type=\"ipi\"}",
                        "xen_evtchn_upcalls",
                        "xen_gnttab_",
                        "xen_xenstore_requests_total{domain=\"1\"",
                        "xen_xenstore_watches",
                        "xen_xenstore_transactions")) {
            assertTrue(scrape.contains(series), () -> series + "\n" + scrape);
        }
    }

    private static String store(Lab lab, String command) throws IOException, InterruptedException {
        return lab.shell("XENSTORED_PATH=/run/alpha-xenstore " + command);
    }
}
