package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;

/// Work of several threads at once.
final class Threads {
    private Threads() {}

    /// A thread's work, repeated until the main one has ended.
    interface Work {
        void run() throws XenError;
    }

    static void together(Callable<Void> main, Work... others) throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Future<?>> running = new ArrayList<>();
            for (Work work : others) {
                running.add(
                        threads.submit(() -> {
                            while (!done.get()) {
                                work.run();
                            }
                            return null;
                        }));
            }
            try {
                main.call();
            } finally {
                done.set(true);
            }
            for (Future<?> future : running) {
                future.get();
            }
        }
    }
}
