package io.xenemu.core.guest;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.backend.block.ForwardingStore;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// The disks that one service has open, each with its lock.
final class CountedDisks {
    private final AtomicInteger open = new AtomicInteger();
    private volatile @Nullable Path found;
    private final AtomicReference<Runnable> beforeNext = new AtomicReference<>(() -> {});

    /// The kind that opens them.
    BackendKind kind() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        NbdOpener opener = new NbdOpener(registry);
        return new BlockKind(
                disk -> counted(opener, disk),
                (disk, bytes, trusts) -> opener.check(found(disk), bytes, trusts),
                registry);
    }

    private DiskStore counted(NbdOpener opener, DiskSpec disk) throws Refused {
        beforeNext.getAndSet(() -> {}).run();
        DiskStore store = opener.open(disk);
        open.incrementAndGet();
        return new Counted(store, open);
    }

    /// Lets something happen once, before the next disk is opened.
    void beforeNext(Runnable action) {
        beforeNext.set(action);
    }

    /// Lets a look for a disk find another file.
    void finds(Path file) {
        found = file;
    }

    private DiskSpec found(DiskSpec disk) throws Refused {
        Path other = found;
        return other == null ? disk : DiskSpec.parse(List.of(other + ",raw,xvda,rw"));
    }

    /// The number of disks that are open.
    int open() {
        return open.get();
    }

    private static final class Counted extends ForwardingStore {
        private final AtomicInteger open;

        Counted(DiskStore store, AtomicInteger open) {
            super(store);
            this.open = open;
        }

        @Override
        public void close() {
            open.decrementAndGet();
            super.close();
        }
    }
}
