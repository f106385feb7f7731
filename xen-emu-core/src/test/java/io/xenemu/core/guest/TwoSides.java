package io.xenemu.core.guest;

import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/// Two services on fake VMs between which guests move: the first one has them at the beginning.
abstract class TwoSides implements AutoCloseable {
    final CountedDisks disksA = new CountedDisks();
    final CountedDisks disksB = new CountedDisks();
    final FakeHypervisor a = new FakeHypervisor(disksA.kind());
    final FakeHypervisor b = new FakeHypervisor(disksB.kind());
    final HostedGuests guestsA;
    final HostedGuests guestsB;
    final Path folder;

    /// @param folder which may not be there yet
    TwoSides(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
        guestsA = new HostedGuests(a.hypervisor, folder, folder.resolve("records-a"));
        guestsB = new HostedGuests(b.hypervisor, folder, folder.resolve("records-b"));
    }

    /// Begins one side of a move, on a thread of its own.
    static <T> FutureTask<T> begun(Callable<T> side) {
        FutureTask<T> task = new FutureTask<>(side);
        Thread.ofPlatform().start(task);
        return task;
    }

    /// Waits for the end of a side.
    ///
    /// @return its failure; null for none
    static @Nullable Throwable failure(FutureTask<?> side) throws InterruptedException {
        try {
            side.get();
            return null;
        } catch (ExecutionException e) {
            return e.getCause();
        }
    }

    /// Waits for the end of a migration from the first side to the second one.
    ///
    /// @return the failure of the source and of the target; null for none
    List<Throwable> failures(FutureTask<?> source, FutureTask<?> target)
            throws InterruptedException {
        Throwable atSource = failure(source);
        // It ends, or waits for an operator, and then it has lost its connection.
        Eventually.holds("the target knows", () -> target.isDone() || isWaiting());
        return Arrays.asList(atSource, target.isDone() ? failure(target) : null);
    }

    /// Whether the target waits for an operator.
    boolean isWaiting() {
        return guestsB.migrations().list().stream()
                .anyMatch(it -> it.phase() == MigrationPhase.UNDECIDED);
    }

    /// Whether the source has decided, and does not know what the target does.
    boolean isUndecidedAtA() {
        return guestsA.migrations().list().getLast().phase() == MigrationPhase.UNDECIDED;
    }

    /// The files of open decisions of the source.
    List<String> records() throws IOException {
        Path records = folder.resolve("records-a");
        if (!Files.exists(records)) {
            return List.of();
        }
        try (var all = Files.list(records)) {
            return all.map(file -> String.valueOf(file.getFileName())).toList();
        }
    }

    @Override
    public void close() {
        guestsA.close();
        guestsB.close();
        a.close();
        b.close();
    }
}
