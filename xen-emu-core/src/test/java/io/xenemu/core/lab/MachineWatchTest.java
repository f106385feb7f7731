package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.Signal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The watch of a shell instead of QEMU: the shell answers questions as QEMU's monitor does, and is idle in between.
final class MachineWatchTest {
    private static final int MORE_LOOKS_THAN_ANY_LIMIT = 200;

    private static final String MONITOR =
            """
            while read -r line; do
                id=${line##*:}
                echo '{"return": "CPU#0\\\\r\\\\nRIP=ffffffff81000000 RFL=00000046\\\\r\\\\nFPR0=0\\\\r\\\\n", "id": '"${id%\\}}"'}'
            done
            """;

    @TempDir private Path root = Path.of("");
    private final List<String> told = new ArrayList<>();
    private MachineFolder folder = new MachineFolder(Path.of(""));
    private @Nullable Process started;

    @BeforeEach
    void startAMachine() throws IOException {
        folder = MachineFolder.create(new CacheFolder(root), "token");
        Files.writeString(folder.serialLog(), "rcu: INFO: rcu_sched self-detected stall\n");
        started = new ProcessBuilder("/bin/sh", "-c", MONITOR).start();
    }

    @AfterEach
    void endIt() {
        qemu().destroyForcibly();
    }

    @Test
    void aMachineThatStopsDuringItsBootIsEndedAndItsStateIsShown() throws Exception {
        MachineWatch watch = watch();
        Signal.send(qemu(), "STOP");

        lookUntilItEnds(watch);

        assertTrue(qemu().waitFor(30, TimeUnit.SECONDS));
        String seen = seen(watch);
        assertTrue(seen.startsWith("the lab machine hangs: it has hardly used a CPU"), seen);
        assertTrue(seen.contains("thread sh: state T"), seen);
        assertTrue(seen.contains("QEMU's monitor does not answer"), seen);
        assertTrue(seen.contains("rcu_sched self-detected stall"), seen);
        assertEquals(List.of(), told, "the exception tells it");
    }

    @Test
    void aMachineWhoseHeartStopsIsEndedAndItsRegistersAreShown() throws Exception {
        MachineWatch watch = watch();
        beat(1);
        Files.createFile(folder.ready());

        lookUntilItEnds(watch);

        String seen = seen(watch);
        assertTrue(seen.startsWith("the lab machine hangs: it has had no heartbeat"), seen);
        assertEquals(List.of(seen), told);
        assertTrue(seen.contains("registers, the same a second later"), seen);
        assertTrue(seen.contains("RIP=ffffffff81000000 RFL=00000046"), seen);
        assertFalse(seen.contains("FPR0"), seen);
    }

    @Test
    void aMachineThatHasLostAnInterruptGoesOnWhenItIsNudged() throws Exception {
        MachineWatch watch = watch();
        beat(1);
        Files.createFile(folder.ready());
        AtomicInteger nudges = new AtomicInteger();
        watch.nudgedBy(nudges::incrementAndGet);

        for (int i = 0; i < 25; i++) {
            watch.look();
            if (nudges.get() == 2) {
                beat(2);
            }
        }

        assertEquals(2, nudges.get());
        assertTrue(watch.hang().isEmpty());
        assertEquals(
                List.of("the lab machine had no heartbeat for 21 s, and goes on after 2 nudges"),
                told);
    }

    @Test
    void aMachineThatIdlesLongIsNotTakenForOneThatHangs() throws Exception {
        MachineWatch watch = watch();
        Files.createFile(folder.ready());

        for (int i = 0; i < MORE_LOOKS_THAN_ANY_LIMIT; i++) {
            // A beat each 20 looks.
            beat(1 + i / 20);
            watch.look();
        }

        assertTrue(qemu().isAlive());
        assertTrue(watch.hang().isEmpty());
    }

    @Test
    void aMachineThatBootsWhileItComputesIsNotTakenForOneThatHangs() {
        Pulse pulse = new Pulse(30, Duration.ofMillis(1500).toNanos());
        long cpu = 0;

        for (int i = 0; i < MORE_LOOKS_THAN_ANY_LIMIT; i++) {
            // A busy host leaves it a tenth of a CPU.
            cpu += Duration.ofMillis(100).toNanos();
            assertFalse(pulse.silentAt(cpu));
        }
    }

    private Process qemu() {
        return Objects.requireNonNull(started);
    }

    private MachineWatch watch() throws IOException {
        return new MachineWatch(qemu(), new QemuMonitor(qemu()), folder, told::add);
    }

    private static void lookUntilItEnds(MachineWatch watch) throws Exception {
        for (int i = 0; i < MORE_LOOKS_THAN_ANY_LIMIT && watch.hang().isEmpty(); i++) {
            watch.look();
        }
    }

    private static String seen(MachineWatch watch) {
        return String.valueOf(watch.hang().orElseThrow().getMessage());
    }

    private void beat(int count) throws IOException {
        if (!Files.exists(folder.heartbeat())) {
            Files.createFile(folder.heartbeat());
        }
        Files.setLastModifiedTime(folder.heartbeat(), FileTime.fromMillis(count));
    }
}
