package io.xenemu.core.domain;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the kernel tells of a thread (`/proc/PID/task/TID/stat`, see proc_pid_stat(5)). The time of a vCPU's thread includes
/// that in the guest, and a vCPU that has halted sleeps.
///
/// @param active whether it is on a CPU or waits for one
/// @param cpuTime what it has used of CPUs, in steps of 10 ms
public record ThreadActivity(boolean active, Duration cpuTime) {
    /// Of a thread that has not started.
    static final ThreadActivity NONE = new ThreadActivity(false, Duration.ZERO);

    private static final Path THIS_THREAD = Path.of("/proc/thread-self");

    /// The fields after the command's name, which stands in parentheses and may have any characters.
    private static final int STATE = 0;

    private static final int UTIME = 11;
    private static final int STIME = 12;

    /// USER_HZ of Linux on x86 is 100.
    private static final long TICK_MILLIS = 10;

    private static final String RUNNABLE = "R";

    /// Where to read about one thread.
    record Source(Path stat) {
        /// Its activity, or null when it has ended.
        @Nullable ThreadActivity read() {
            try {
                return parse(Files.readString(stat));
            } catch (IOException e) {
                return null;
            }
        }
    }

    /// Where to read about the calling thread, or null on a host without /proc.
    static @Nullable Source ofThisThread() {
        try {
            Path task = THIS_THREAD.resolveSibling(Files.readSymbolicLink(THIS_THREAD));
            return new Source(task.resolve("stat"));
        } catch (IOException e) {
            return null;
        }
    }

    /// The activity of a line of that file.
    static ThreadActivity parse(String line) {
        List<String> fields =
                Splitter.on(' ').splitToList(line.substring(line.lastIndexOf(')') + 2).strip());
        long ticks = Long.parseLong(fields.get(UTIME)) + Long.parseLong(fields.get(STIME));
        return new ThreadActivity(
                fields.get(STATE).equals(RUNNABLE), Duration.ofMillis(ticks * TICK_MILLIS));
    }

    /// The same of a thread that has ended just now.
    ThreadActivity atRest() {
        return new ThreadActivity(false, cpuTime);
    }
}
