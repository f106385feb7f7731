package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.block.DiskOp;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// Uses a disk as a device does: its memory in pieces of a page that are not neighbours.
final class DiskUser implements AutoCloseable {
    private static final int PAGE = 4096;

    private final Arena arena = Arena.ofShared();
    private final DiskStore store;

    DiskUser(DiskStore store) {
        this.store = store;
    }

    /// A transfer under way.
    final class Transfer {
        private final MemorySegment memory;
        private final int bytes;
        private final CompletableFuture<Integer> outcome = new CompletableFuture<>();
        private final IoVectors vectors;

        private Transfer(int bytes, byte fill) {
            this.bytes = bytes;
            this.vectors = new IoVectors(arena, Math.max(1, (bytes + PAGE - 1) / PAGE));
            // A gap after each page, with bytes that are to stay.
            int pages = (bytes + PAGE - 1) / PAGE;
            this.memory = arena.allocate(2L * PAGE * Math.max(pages, 1), PAGE);
            memory.fill((byte) 0x5a);
            for (int at = 0; at < bytes; at += PAGE) {
                memory.asSlice(2L * at, Math.min(PAGE, bytes - at)).fill(fill);
            }
        }

        private Transfer begin(DiskOp op, long offset, long length) {
            for (int at = 0; at < bytes; at += PAGE) {
                vectors.add(memory.address() + 2L * at, Math.min(PAGE, bytes - at));
            }
            DiskTransfer transfer =
                    new DiskTransfer(
                            vectors,
                            (_, errno) ->
                                    assertTrue(outcome.complete(errno), "completed only once"));
            transfer.set(op, offset, length);
            store.submit(transfer);
            return this;
        }

        /// Waits for the outcome.
        int errno() {
            try {
                return outcome.get(60, TimeUnit.SECONDS);
            } catch (Exception e) {
                throw new AssertionError("no answer", e);
            }
        }

        /// Takes the memory away from a transfer that waits.
        void clear() {
            vectors.clear();
        }

        boolean isDone() {
            return outcome.isDone();
        }

        /// The bytes after the outcome. What lies between the pieces must be as it was.
        byte[] bytes() {
            byte[] all = new byte[bytes];
            for (int at = 0; at < bytes; at += PAGE) {
                int part = Math.min(PAGE, bytes - at);
                MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, 2L * at, all, at, part);
                for (long i = 2L * at + part; i < 2L * at + 2 * PAGE; i++) {
                    if (memory.get(ValueLayout.JAVA_BYTE, i) != 0x5a) {
                        throw new AssertionError("wrote outside of the pieces at " + i);
                    }
                }
            }
            return all;
        }
    }

    Transfer write(long offset, int length, int fill) {
        return new Transfer(length, (byte) fill).begin(DiskOp.WRITE, offset, length);
    }

    Transfer read(long offset, int length) {
        return new Transfer(length, (byte) 0).begin(DiskOp.READ, offset, length);
    }

    Transfer flush() {
        return new Transfer(0, (byte) 0).begin(DiskOp.FLUSH, 0, 0);
    }

    Transfer discard(long offset, long length) {
        return new Transfer(0, (byte) 0).begin(DiskOp.DISCARD, offset, length);
    }

    Transfer zeroes(long offset, long length) {
        return new Transfer(0, (byte) 0).begin(DiskOp.WRITE_ZEROES, offset, length);
    }

    /// Frees the memory, after the store has been closed.
    @Override
    public void close() {
        arena.close();
    }
}
