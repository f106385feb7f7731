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
/// QEMU before 10.2 sets a bit of a CPU's pending interrupts in `helper_vmrun` without the lock that devices hold. So
/// one that a device raises at that moment can be lost. This may be the cause: if it was the timer's, the machine never
/// looks at its clock again, and any other interrupt brings it back. So a machine whose heart has stopped is nudged.
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

    /// Looks in the time of 4 heartbeats, after which each one nudges the machine.
    private static final int LATE_LOOKS = 20;

    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(2);

    private final Process qemu;
    private final QemuMonitor monitor;
    private final MachineFolder folder;
    private final Consumer<String> tell;
    private final Pulse boot = new Pulse(BOOT_LOOKS, BOOT_LEAST_NANOS);
    private final Pulse heart = new Pulse(SILENT_LOOKS, 1);
    private volatile Runnable nudge = () -> {};
    private int nudges;
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

    /// Lets a machine be nudged.
    ///
    /// @param nudge makes a device of the machine interrupt its CPU
    void nudgedBy(Runnable nudge) {
        this.nudge = nudge;
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
        } else if (heart.isLateBy(LATE_LOOKS)) {
            nudges++;
            nudge.run();
        } else if (nudges > 0) {
            tell.accept(
                    "the lab machine had no heartbeat for %d s, and goes on after %d nudges"
                            .formatted(LATE_LOOKS + nudges - 1, nudges));
            nudges = 0;
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
        // It has the interrupts that wait.
        String lapic = second.isPresent() ? indented(ask("info lapic").orElse("")) : "";
        return threads + registers(first, second) + lapic + "\n  console: " + folder.lastWords();
    }

    private Optional<String> registers() throws IOException, InterruptedException {
        return ask("info registers -a");
    }

    private Optional<String> ask(String question) throws IOException, InterruptedException {
        try {
            return monitor.ask(question, ANSWER_LIMIT);
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
        return "\n  registers, " + same + ":" + indented(second.get());
    }

    /// Without floating point registers.
    private static String indented(String text) {
        return text.lines()
                .filter(line -> !line.matches("(FPR|XMM|YMM|FCW|Opmask|ZMM).*"))
                .reduce("", (all, line) -> all + "\n    " + line);
    }
}
