package io.xenemu.core.migration;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// A further connection of a migration, and the thread on which all of its bytes are read or written.
final class StreamThread implements AutoCloseable {
    private final int number;
    private final MigrationLink link;
    private final ExecutorService thread;

    /// What the thread does.
    @FunctionalInterface
    interface Work {
        void run() throws IOException;
    }

    /// @param number among all streams of the migration, of which the main one is 1
    /// @param link closed with this
    StreamThread(int number, MigrationLink link) {
        this.number = number;
        this.link = link;
        thread =
                Executors.newSingleThreadExecutor(
                        Thread.ofPlatform().daemon().name("migration-stream-" + number).factory());
    }

    MigrationLink link() {
        return link;
    }

    /// Begins a work, after those that were begun.
    ///
    /// @return its end; an [IOException] names the stream
    Future<?> begin(Work work) {
        return thread.submit(() -> {
            try {
                work.run();
            } catch (IOException e) {
                throw new IOException("stream " + number + ": " + IoReason.of(e), e);
            }
            return null;
        });
    }

    /// Closes the connection, and waits for the thread.
    @Override
    public void close() {
        link.close();
        thread.close();
    }
}
