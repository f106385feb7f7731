package io.xenemu.core.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;

/// A service, one of whose threads fails.
final class FailingService {
    private FailingService() {}

    /// Starts the thread and waits for ever.
    ///
    /// @param args the kind of thread, and of failure
    public static void main(String[] args) throws InterruptedException {
        ServiceThreads.watch("daemon");
        Runnable fails =
                () -> {
                    if (args[1].equals("heap")) {
                        throw new OutOfMemoryError("Java heap space");
                    }
                    throw new IllegalStateException("a bug");
                };
        switch (args[0]) {
            case "platform" -> Thread.ofPlatform().daemon().name("listener").start(fails);
            case "virtual" -> Thread.ofVirtual().name("listener").start(fails);
            default ->
                    Executors.newThreadPerTaskExecutor(
                                    Thread.ofVirtual().name("listener").factory())
                            .execute(fails);
        }
        // Its other threads go on.
        new CountDownLatch(1).await();
    }
}
