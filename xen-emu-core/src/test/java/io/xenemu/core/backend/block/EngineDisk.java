package io.xenemu.core.backend.block;

import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineClass;
import io.xenemu.core.backend.engine.EngineQueue;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// A disk in a file, whose queue an engine serves, and its front end in plain memory.
final class EngineDisk implements AutoCloseable {
    private static final int SECTOR = 512;

    /// Failures of the queue's work.
    final List<Throwable> failures = new CopyOnWriteArrayList<>();

    final BlockFront front;
    final EngineQueue queue;
    private final FileStore store;

    /// A disk whose queue does its own work.
    EngineDisk(DomainEngines guest, Path file) throws BootException, XenError, Refused {
        this(guest, file, front -> front.queue::run);
    }

    /// The work of a queue.
    interface Work {
        QueueWork of(BlockFront front);
    }

    /// @param work that the engine runs in place of the queue's own
    EngineDisk(DomainEngines guest, Path file, Work work) throws BootException, XenError, Refused {
        store = FileStore.open(file, true, false);
        front = new BlockFront(BlockAbi.X86_64, new BlockDisk(store, true, false, false, SECTOR));
        queue = guest.add(EngineClass.BLOCK, "vbd-51712", 0, work.of(front), failures::add);
        front.onWake = queue::signal;
        queue.release();
    }

    @Override
    public void close() {
        queue.close();
        front.close();
        store.close();
    }
}
