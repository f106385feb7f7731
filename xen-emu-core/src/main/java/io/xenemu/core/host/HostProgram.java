package io.xenemu.core.host;

import com.google.common.base.Splitter;
import com.google.common.util.concurrent.Uninterruptibles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;

/// Programs of the host that the service runs as its children: where they are, and how they end.
public final class HostProgram {
    private HostProgram() {}

    /// The folders in which the host's programs are: the service's `PATH`.
    public static String folders() {
        return System.getenv().getOrDefault("PATH", "");
    }

    /// Looks for a program.
    ///
    /// @param folders where it may be, separated by colons
    public static Optional<Path> find(String name, String folders) {
        return Splitter.on(':')
                .omitEmptyStrings()
                .splitToStream(folders)
                .map(folder -> Path.of(folder, name))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /// Waits for the end of a child. An interruption does not end the wait.
    ///
    /// @return false if it still runs after `limit`
    public static boolean hasEnded(Process child, Duration limit) {
        return hasEnded(child.toHandle(), limit);
    }

    /// Waits for the end of a process that may be another one's child.
    ///
    /// @return false if it still runs after `limit`
    public static boolean hasEnded(ProcessHandle process, Duration limit) {
        try {
            ProcessHandle _ = Uninterruptibles.getUninterruptibly(process.onExit(), limit);
            return true;
        } catch (ExecutionException | TimeoutException _) {
            return !process.isAlive();
        }
    }

    /// Ends a child that still runs: asks it to, and kills it if it has not ended after `limit`. Waits for it as long
    /// once more, so that it is seldom left behind.
    public static void end(Process child, Duration limit) {
        end(child.toHandle(), limit);
    }

    /// Ends a process that may be another one's child, in the same way.
    public static void end(ProcessHandle process, Duration limit) {
        boolean _ = process.destroy();
        if (!hasEnded(process, limit)) {
            boolean _ = process.destroyForcibly();
            boolean _ = hasEnded(process, limit);
        }
    }
}
