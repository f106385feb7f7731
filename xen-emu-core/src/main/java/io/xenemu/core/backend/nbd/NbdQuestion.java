package io.xenemu.core.backend.nbd;

import io.xenemu.core.backend.block.DiskOp;
import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.util.concurrent.CompletableFuture;

/// A question whose answer is waited for.
final class NbdQuestion {
    private final CompletableFuture<Integer> outcome = new CompletableFuture<>();
    private final DiskTransfer transfer;

    NbdQuestion(long offset, long length) {
        transfer =
                new DiskTransfer(
                        new IoVectors(Arena.ofAuto(), 1), (_, errno) -> outcome.complete(errno));
        transfer.set(DiskOp.READ, offset, length);
    }

    DiskTransfer transfer() {
        return transfer;
    }

    /// Waits.
    ///
    /// @return 0 or Linux's error number
    int await() {
        return outcome.join();
    }
}
