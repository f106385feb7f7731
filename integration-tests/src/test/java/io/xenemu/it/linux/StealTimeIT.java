package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The account of a guest's time, on an idle and on a busy host.
@ExtendWith(LabExtension.class)
class StealTimeIT {
    private static final String NAME = "accounted";
    private static final int VCPUS = 2;
    private static final int IDLE_SECONDS = 6;
    private static final int BUSY_SECONDS = 25;

    /// The part of a time by which another account of it may differ.
    private static final double TOLERANCE = 0.05;

    /// An emulated host is slow, and a guest's shell works for each command.
    private static final double MOSTLY = 0.5;

    private static final double NANOS_PER_SECOND = 1e9;

    /// USER_HZ of Linux on x86.
    private static final double TICKS_PER_SECOND = 100;

    private static final Pattern STEAL =
            Pattern.compile("^cpu +(?:\\d+ ){7}(\\d+) ", Pattern.MULTILINE);

    private static final Pattern ACCOUNT =
            Pattern.compile(
                    "vcpu\\d+: running (\\S+) s, runnable (\\S+) s, blocked (\\S+) s, offline (\\S+) s");

    /// Times of all vCPUs, in seconds: those that the host has of their threads, those of their runstates, and the
    /// steal time that the guest has of them.
    private record Times(
            double cpuTime,
            double runDelay,
            double running,
            double runnable,
            double blocked,
            double offline,
            double steal) {
        Times since(Times before) {
            return new Times(
                    cpuTime - before.cpuTime,
                    runDelay - before.runDelay,
                    running - before.running,
                    runnable - before.runnable,
                    blocked - before.blocked,
                    offline - before.offline,
                    steal - before.steal);
        }
    }

    @Test
    void stealTimeIsTheTimeForWhichTheHostLetTheVcpusWait(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest =
                daemon.boot(
                        NAME,
                        LinuxImages.arguments(
                                lab,
                                "6.12",
                                Optional.empty(),
                                "--vcpus",
                                Integer.toString(VCPUS)))) {
            guest.shell().awaitBoot();
            // The first tick in idle takes over what has been stolen since the boot.
            guest.shell().run("sleep 1");
            Times first = times(daemon, guest);
            Thread.sleep(IDLE_SECONDS * 1000);
            Times second = times(daemon, guest);
            idle(second.since(first));

            busyHost(lab);
            guest.shell()
                    .run(
                            "for i in 1 2; do sh -c 'while :; do :; done' & done; sleep "
                                    + BUSY_SECONDS
                                    + "; kill %1 %2; wait");
            Times third = times(daemon, guest);
            busy(third.since(second));
            daemon.assertNoBug();
        }
    }

    private static void idle(Times passed) {
        double all = VCPUS * IDLE_SECONDS;
        assertTrue(passed.blocked > MOSTLY * all, passed.toString());
        assertTrue(passed.steal < TOLERANCE * all, passed.toString());
        // They were started before.
        assertEquals(0, passed.offline, passed.toString());
    }

    private static void busy(Times passed) {
        // As many rivals as CPUs: about half of the time, each vCPU waits.
        assertTrue(passed.runDelay > BUSY_SECONDS * VCPUS / 5.0, passed.toString());
        assertNear(passed.runDelay, passed.steal, passed);
        assertNear(passed.runDelay, passed.runnable, passed);
        assertNear(passed.cpuTime, passed.running, passed);
        assertEquals(0, passed.offline, passed.toString());
    }

    private static void assertNear(double expected, double found, Times all) {
        assertEquals(expected, found, TOLERANCE * expected, all.toString());
    }

    /// One thread for each CPU of the host is busy, for less time than the guest is.
    private static void busyHost(Lab lab) throws IOException, InterruptedException {
        lab.shell(
                "for i in $(seq $(nproc)); do timeout "
                        + (BUSY_SECONDS - 2)
                        + " sh -c 'while :; do :; done' </dev/null >/dev/null 2>&1 & done");
    }

    private static Times times(LabDaemon daemon, LabGuest guest)
            throws IOException, InterruptedException {
        String stat = guest.shell().run("grep 'cpu ' /proc/stat");
        double steal = Long.parseLong(one(STEAL, stat).group(1)) / TICKS_PER_SECOND;
        String schedstats =
                daemon.lab()
                        .shell(
                                "grep -l '^dom"
                                        + guest.id()
                                        + "-vcpu' /proc/[0-9]*/task/[0-9]*/comm 2>/dev/null"
                                        + " | while read -r c; do cat ${c%comm}schedstat; done");
        double cpuTime = 0;
        double runDelay = 0;
        List<String> threads = schedstats.lines().toList();
        assertEquals(VCPUS, threads.size(), schedstats);
        for (String thread : threads) {
            String[] fields = thread.split(" ", -1);
            cpuTime += Long.parseLong(fields[0]) / NANOS_PER_SECOND;
            runDelay += Long.parseLong(fields[1]) / NANOS_PER_SECOND;
        }
        double[] sums = new double[4];
        String rows = daemon.ask("debug-keys r");
        List<MatchResult> accounts = ACCOUNT.matcher(rows).results().toList();
        assertEquals(VCPUS, accounts.size(), rows);
        for (MatchResult account : accounts) {
            for (int i = 0; i < sums.length; i++) {
                sums[i] += Double.parseDouble(account.group(i + 1));
            }
        }
        return new Times(cpuTime, runDelay, sums[0], sums[1], sums[2], sums[3], steal);
    }

    private static MatchResult one(Pattern pattern, String text) {
        return pattern.matcher(text)
                .results()
                .findFirst()
                .orElseThrow(() -> new AssertionError(text));
    }
}
