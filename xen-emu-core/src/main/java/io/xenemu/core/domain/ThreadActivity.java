package io.xenemu.core.domain;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The kernel's account of a thread (`/proc/PID/task/TID/stat`, see proc_pid_stat(5)). The time of a vCPU's thread
/// includes its time in the guest; the thread of a halted vCPU sleeps.
///
/// @param active whether it runs on a CPU or waits for one
/// @param cpuTime its CPU time, in steps of 10 ms
/// @param cpu the host's CPU that it last ran on
public record ThreadActivity(boolean active, Duration cpuTime, int cpu) {
    /// The activity of a thread that has not started.
    static final ThreadActivity NONE = new ThreadActivity(false, Duration.ZERO, 0);

    private static final Path THIS_THREAD = Path.of("/proc/thread-self");

    /// Index of the field after the command's name, which is in parentheses and may have any characters.
    private static final int STATE = 0;

    private static final int UTIME = 11;
    private static final int STIME = 12;
    private static final int PROCESSOR = 36;

    /// USER_HZ of Linux on x86 is 100.
    private static final long TICK_MILLIS = 10;

    private static final String RUNNABLE = "R";

    /// The file with one thread's activity.
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

    /// The calling thread's source, or null on a host without /proc.
    static @Nullable Source ofThisThread() {
        try {
            Path task = THIS_THREAD.resolveSibling(Files.readSymbolicLink(THIS_THREAD));
            return new Source(task.resolve("stat"));
        } catch (IOException e) {
            return null;
        }
    }

    /// Parses a line of that file.
    static ThreadActivity parse(String line) {
        List<String> fields =
                Splitter.on(' ').splitToList(line.substring(line.lastIndexOf(')') + 2).strip());
        long ticks = Long.parseLong(fields.get(UTIME)) + Long.parseLong(fields.get(STIME));
        return new ThreadActivity(
                fields.get(STATE).equals(RUNNABLE),
                Duration.ofMillis(ticks * TICK_MILLIS),
                Integer.parseInt(fields.get(PROCESSOR)));
    }

    /// This activity, once the thread has ended: it does not run.
    ThreadActivity atRest() {
        return new ThreadActivity(false, cpuTime, cpu);
    }
}
