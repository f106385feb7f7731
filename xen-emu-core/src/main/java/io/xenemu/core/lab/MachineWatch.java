package io.xenemu.core.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// Notices that a lab machine hangs, reports its observations, and ends the machine. So all commands fail at once
/// instead of each after its own limit. QEMU's nested virtualization does hang at times (seen with 10.0.2).
///
/// A machine that boots computes without a pause: it hangs when QEMU hardly wants a CPU. A machine that has booted
/// writes a heartbeat every 5 s (`l1-init`), whatever its commands do.
final class MachineWatch {
    /// Looks in 30 s. A machine that boots wants one CPU all the time, and an idle one 1 to 2 %: less than 5 % is a
    /// hang.
    private static final int BOOT_LOOKS = 30;

    private static final long BOOT_LEAST_NANOS = TimeUnit.MILLISECONDS.toNanos(1500);

    /// Looks in the time of 24 heartbeats, so that a host without a free CPU is not taken for a hang.
    private static final int SILENT_LOOKS = 120;

    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(2);

    private final Process qemu;
    private final QemuMonitor monitor;
    private final MachineFolder folder;
    private final Consumer<String> tell;
    private final Pulse boot = new Pulse(BOOT_LOOKS, BOOT_LEAST_NANOS);
    private final Pulse heart = new Pulse(SILENT_LOOKS, 1);
    private volatile Optional<LabHangException> hang = Optional.empty();

    /// A watch that has not begun.
    ///
    /// @param tell gets some lines about a machine that hangs
    MachineWatch(Process qemu, QemuMonitor monitor, MachineFolder folder, Consumer<String> tell) {
        this.qemu = qemu;
        this.monitor = monitor;
        this.folder = folder;
        this.tell = tell;
    }

    /// Watches until QEMU has ended.
    void start() {
        Thread.ofPlatform().name("lab-watch").daemon().start(this::watch);
    }

    /// The observations of a machine that hung; set before the machine is ended.
    Optional<LabHangException> hang() {
        return hang;
    }

    private void watch() {
        try {
            while (!qemu.waitFor(LOOK.toMillis(), TimeUnit.MILLISECONDS)) {
                look();
            }
        } catch (IOException e) {
            tell.accept("the lab machine is not watched any more: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Looks once, and ends a machine that hangs.
    void look() throws IOException, InterruptedException {
        if (!Files.exists(folder.ready())) {
            if (boot.silentAt(ProcessThreads.of(qemu.pid()).wantedNanos())) {
                end("it has hardly used a CPU for %d s of its boot".formatted(BOOT_LOOKS));
            }
        } else if (heart.silentAt(lastHeartbeat())) {
            end("it has had no heartbeat for %d s".formatted(SILENT_LOOKS));
        }
    }

    /// Ends the machine.
    ///
    /// @param why the reason to think that it hangs
    /// @return the reason with the observations
    LabHangException end(String why) throws IOException, InterruptedException {
        LabHangException seen = new LabHangException("the lab machine hangs: " + why + sight());
        if (qemu.isAlive()) {
            hang = Optional.of(seen);
            if (Files.exists(folder.ready())) {
                // The boot of a machine fails with the exception, which tells it.
                tell.accept(seen.getMessage());
            }
            qemu.destroyForcibly();
        }
        return seen;
    }

    /// The time of the machine's last heartbeat, in milliseconds.
    private long lastHeartbeat() throws IOException {
        try {
            return Files.getLastModifiedTime(folder.heartbeat()).toMillis();
        } catch (NoSuchFileException e) {
            // There is none before `ready`, or while the machine is closed.
            return 0;
        }
    }

    private String sight() throws IOException, InterruptedException {
        ProcessThreads before = ProcessThreads.of(qemu.pid());
        Optional<String> first = registers();
        Thread.sleep(LOOK);
        String threads = ProcessThreads.of(qemu.pid()).since(before);
        Optional<String> second = first.isPresent() ? registers() : first;
        return threads + registers(first, second) + "\n  console: " + folder.lastWords();
    }

    private Optional<String> registers() throws IOException, InterruptedException {
        try {
            return monitor.ask("info registers -a", ANSWER_LIMIT);
        } catch (IOException e) {
            if (qemu.isAlive()) {
                throw e;
            }
            return Optional.empty();
        }
    }

    private static String registers(Optional<String> first, Optional<String> second) {
        if (first.isEmpty() || second.isEmpty()) {
            return "\n  QEMU's monitor does not answer";
        }
        String same =
                first.equals(second) ? "the same a second later" : "not the same a second later";
        // General, segment and control registers, without those of floating point.
        String text =
                second.get()
                        .lines()
                        .filter(line -> !line.matches("(FPR|XMM|YMM|FCW|Opmask|ZMM).*"))
                        .reduce("", (all, line) -> all + "\n    " + line);
        return "\n  registers, " + same + ":" + text;
    }
}
