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
import java.util.function.ToDoubleFunction;
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

    /// Times of the vCPUs' threads, as the host has them, in seconds.
    private record Threads(double cpuTime, double runDelay) {}

    /// Times of all vCPUs, in seconds: those that the host had before and after it was asked for the others; those of
    /// their runstates; and the steal time that the guest has of them.
    private record Times(
            Threads before,
            Threads after,
            double running,
            double runnable,
            double blocked,
            double offline,
            double steal) {}

    /// The least and the most that a time can have grown from one reading to the next.
    private record Growth(double least, double most) {
        static Growth of(Times from, Times to, ToDoubleFunction<Threads> time) {
            return new Growth(
                    time.applyAsDouble(to.before) - time.applyAsDouble(from.after),
                    time.applyAsDouble(to.after) - time.applyAsDouble(from.before));
        }

        void assertHas(double found) {
            double tolerance = TOLERANCE * most;
            assertTrue(
                    found >= least - tolerance && found <= most + tolerance,
                    () -> found + " is not in " + this);
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
            Times first = times(daemon, guest);
            Thread.sleep(IDLE_SECONDS * 1000);
            Times second = times(daemon, guest);
            idle(first, second);

            busyHost(lab);
            guest.shell()
                    .run(
                            "sh -c 'while :; do :; done' & a=$!; sh -c 'while :; do :; done' & b=$!; sleep "
                                    + BUSY_SECONDS
                                    + "; kill $a $b");
            busy(second, times(daemon, guest));
            daemon.assertNoBug();
        }
    }

    private static void idle(Times from, Times to) {
        double all = VCPUS * IDLE_SECONDS;
        assertTrue(to.blocked - from.blocked > MOSTLY * all, from + " " + to);
        // What is stolen from an idle guest is stolen by the commands that read the times.
        double stolen = Growth.of(from, to, Threads::runDelay).most;
        assertTrue(to.steal - from.steal < stolen + TOLERANCE * all, from + " " + to);
        // They were started before.
        assertEquals(from.offline, to.offline, from + " " + to);
    }

    private static void busy(Times from, Times to) {
        Growth runDelay = Growth.of(from, to, Threads::runDelay);
        // As many rivals as CPUs: about half of the time, each vCPU waits.
        assertTrue(runDelay.least > BUSY_SECONDS * VCPUS / 5.0, from + " " + to);
        runDelay.assertHas(to.steal - from.steal);
        runDelay.assertHas(to.runnable - from.runnable);
        Growth.of(from, to, Threads::cpuTime).assertHas(to.running - from.running);
        assertEquals(from.offline, to.offline, from + " " + to);
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
        Threads before = threads(daemon, guest);
        String stat = guest.shell().run("grep 'cpu ' /proc/stat");
        double steal = Long.parseLong(one(STEAL, stat).group(1)) / TICKS_PER_SECOND;
        double[] sums = new double[4];
        String rows = daemon.ask("debug-keys r");
        List<MatchResult> accounts = ACCOUNT.matcher(rows).results().toList();
        assertEquals(VCPUS, accounts.size(), rows);
        for (MatchResult account : accounts) {
            for (int i = 0; i < sums.length; i++) {
                sums[i] += Double.parseDouble(account.group(i + 1));
            }
        }
        return new Times(before, threads(daemon, guest), sums[0], sums[1], sums[2], sums[3], steal);
    }

    private static Threads threads(LabDaemon daemon, LabGuest guest)
            throws IOException, InterruptedException {
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
        return new Threads(cpuTime, runDelay);
    }

    private static MatchResult one(Pattern pattern, String text) {
        return pattern.matcher(text)
                .results()
                .findFirst()
                .orElseThrow(() -> new AssertionError(text));
    }
}
