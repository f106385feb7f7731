package io.xenemu.core.backend;

import com.google.common.base.Throwables;
import io.xenemu.core.toolstack.Refused;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Calls on the host that an operator's command waits for, and that may never return: a file may be on a server that is
/// away. Each has a platform thread of its own, since a virtual one would hold a carrier of all others. Whoever waits
/// does so up to a limit; the call goes on, and its late result is given back. Thread-safe.
final class HostCalls {
    /// Longer than the limits that the kinds of devices have themselves, such as that of a process that starts.
    static final Duration LIMIT = Duration.ofSeconds(60);

    /// The most calls at a time, of the threads that `HostResources` reserves for the service.
    static final int MOST = 16;

    private static final Logger log = LoggerFactory.getLogger(HostCalls.class);

    private final Semaphore free = new Semaphore(MOST);
    private final Duration limit;

    /// @param limit the longest time to wait for a call
    HostCalls(Duration limit) {
        this.limit = limit;
    }

    /// A call without a result.
    interface Work {
        void run() throws Refused;
    }

    /// Makes a call without a result, and waits for it.
    ///
    /// @throws Refused as for a call with one
    void make(Work work) throws Refused {
        boolean _ =
                make(
                        () -> {
                            work.run();
                            return true;
                        },
                        _ -> {});
    }

    /// Makes a call, and waits for it.
    ///
    /// @param late takes a result for which nobody has waited
    /// @throws Refused by the call; or if it does not return in time, or too many others have not returned
    <T> T make(Callable<T> call, Consumer<T> late) throws Refused {
        if (!free.tryAcquire()) {
            throw new Refused(
                    Refused.Kind.BUSY,
                    "the host does not answer: %d devices wait for it already".formatted(MOST));
        }
        CompletableFuture<T> answer = new CompletableFuture<>();
        boolean begun = false;
        try {
            Thread _ =
                    Thread.ofPlatform()
                            .name("host-call")
                            .daemon()
                            .start(() -> run(call, late, answer));
            begun = true;
        } finally {
            if (!begun) {
                free.release();
            }
        }
        return await(answer);
    }

    private <T> void run(Callable<T> call, Consumer<T> late, CompletableFuture<T> answer) {
        try {
            T result = call.call();
            if (!answer.complete(result)) {
                late.accept(result);
            }
        } catch (Exception | Error e) {
            if (!answer.completeExceptionally(e)) {
                log.warn("a call on the host that nobody waits for has failed", e);
            }
        } finally {
            free.release();
        }
    }

    private <T> T await(CompletableFuture<T> answer) throws Refused {
        Refused gaveUp;
        try {
            return answer.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw failure(e.getCause());
        } catch (TimeoutException e) {
            gaveUp =
                    new Refused(
                            "the host does not answer within %d s".formatted(limit.toSeconds()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            gaveUp = new Refused("interrupted while the host had not answered");
        }
        if (answer.completeExceptionally(gaveUp)) {
            throw gaveUp;
        }
        // It has answered just now.
        try {
            return answer.resultNow();
        } catch (IllegalStateException e) {
            throw failure(answer.exceptionNow());
        }
    }

    private static IllegalStateException failure(@Nullable Throwable cause) throws Refused {
        if (cause != null) {
            Throwables.throwIfInstanceOf(cause, Refused.class);
            Throwables.throwIfUnchecked(cause);
        }
        return new IllegalStateException("a call on the host has failed", cause);
    }
}
