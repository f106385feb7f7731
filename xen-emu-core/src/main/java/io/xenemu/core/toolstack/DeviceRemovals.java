package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The devices of ended domains that are still being removed. A restored domain has the id that it had, and waits for
/// them. Thread-safe.
final class DeviceRemovals {
    /// By the id that the domain had.
    private final Map<DomId, CompletableFuture<Void>> ending = new ConcurrentHashMap<>();

    /// Adds a removal that has begun.
    void add(DomId frontend, CompletableFuture<Void> removed) {
        CompletableFuture<Void> all =
                ending.merge(frontend, removed, (a, b) -> CompletableFuture.allOf(a, b));
        CompletableFuture<Void> _ = all.whenComplete((_, _) -> ending.remove(frontend, all));
    }

    /// Waits until nothing is left of the devices of a domain that had this id.
    ///
    /// @throws Refused if that takes longer than the limit
    void await(DomId frontend, Duration limit) throws Refused {
        CompletableFuture<Void> removed = ending.get(frontend);
        if (removed == null) {
            return;
        }
        try {
            removed.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            return;
        } catch (TimeoutException | ExecutionException e) {
            // It has its own line in the log.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        throw new Refused("devices of an earlier %s are not removed yet".formatted(frontend));
    }
}
