package io.xenemu.core.guest;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.block.DiskCopier;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.backend.block.ForwardingStore;
import io.xenemu.core.backend.block.ObservedDisks;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// The disks that one service has open, each with its lock.
final class CountedDisks {
    private final AtomicInteger open = new AtomicInteger();
    private volatile @Nullable Path found;
    private final AtomicReference<Runnable> beforeNext = new AtomicReference<>(() -> {});

    private volatile @Nullable Path home;
    private final ObservedDisks observed = observed();

    /// The kind that opens them.
    BackendKind kind() {
        return observed;
    }

    /// Writes to the one that was opened last.
    ObservedDisks observedDisks() {
        return observed;
    }

    private ObservedDisks observed() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        NbdOpener opener = new NbdOpener(registry);
        return new ObservedDisks(
                new BlockKind(
                        disk -> counted(opener, here(disk)),
                        (disk, bytes, trusts) -> opener.check(found(here(disk)), bytes, trusts),
                        new DiskCopier() {
                            @Override
                            public BackendKind.CopyPlace place(
                                    DiskSpec disk, long bytes, long taken, boolean replaces)
                                    throws Refused {
                                return FILE.place(here(disk), bytes, taken, replaces);
                            }

                            @Override
                            public BackendKind.IncomingDisk copy(
                                    DiskSpec disk, long bytes, boolean replaces) throws Refused {
                                return FILE.copy(here(disk), bytes, replaces);
                            }
                        },
                        registry));
    }

    /// Lets the service have a file system of its own: all disks are in this folder.
    void live(Path folder) {
        home = folder;
    }

    private DiskSpec here(DiskSpec disk) throws Refused {
        Path folder = home;
        if (folder == null) {
            return disk;
        }
        Path path = folder.resolve(Objects.requireNonNull(Path.of(disk.target()).getFileName()));
        return DiskSpec.parse(
                List.of(
                        "%s,%s,%s,%s"
                                .formatted(
                                        path,
                                        disk.format(),
                                        disk.vdev(),
                                        disk.writable() ? "rw" : "ro")));
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
