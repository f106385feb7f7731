package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A store that can be given up for a while, so that another service has it. Meanwhile nothing of it is here: no lock,
/// no open file, no process. To claim it again is to open it again, with all checks, so that what another host has
/// written is seen. Only the connection to a server that is not the service's own stays: it has no lock, and some
/// servers end with their last connection.
///
/// A raw image that was written meanwhile is not claimed: the guest here does not know what is on it now.
final class ClaimedStore implements DiskStore {
    private final DiskOpener opener;
    private final DiskSpec spec;
    private final DiskFeatures features;
    private final boolean isFasterJoined;
    private final boolean keepsWrites;
    private final StoreWrites writes = new StoreWrites();
    private volatile @Nullable DiskStore current;
    private volatile long bytes;
    private @Nullable PvDevice device;
    private @Nullable Written written;
    private boolean closed;

    /// When a file was written last.
    private record Written(FileTime at, long bytes) {}

    private ClaimedStore(DiskOpener opener, DiskSpec spec, DiskStore opened) {
        this.opener = opener;
        this.spec = spec;
        current = opened;
        features = opened.features();
        isFasterJoined = opened.isFasterJoined();
        keepsWrites = opened.keepsWrites();
        bytes = opened.bytes();
    }

    /// Opens a disk.
    ///
    /// @throws Refused with one line for the operator
    static ClaimedStore open(DiskOpener opener, DiskSpec spec) throws Refused {
        return new ClaimedStore(opener, spec, opener.open(spec));
    }

    /// A disk that is open.
    ///
    /// @param opener opens it again
    static ClaimedStore of(DiskOpener opener, DiskSpec spec, DiskStore opened) {
        return new ClaimedStore(opener, spec, opened);
    }

    /// It, if it is here and another process can have it; else null.
    @Nullable HandedOverStore forAnother() {
        return current instanceof HandedOverStore handed ? handed : null;
    }

    /// Opens a disk that another host may have written since this one has read it.
    ///
    /// @throws Refused with one line for the operator
    static ClaimedStore reopen(DiskOpener opener, DiskSpec spec) throws Refused {
        forgetCached(spec);
        return open(opener, spec);
    }

    /// Whether it is here.
    boolean isClaimed() {
        return current != null;
    }

    /// Gives it up. It is flushed, and no operation is in progress, nor begins before [#claim].
    synchronized void release() {
        DiskStore released = current;
        if (released == null || spec.isRemote()) {
            return;
        }
        bytes = released.bytes();
        written = lastWritten();
        current = null;
        released.close();
    }

    /// Claims it again, if it was given up.
    ///
    /// @throws Refused if another has it, or it is not what it was
    synchronized void claim() throws Refused {
        if (current != null || closed) {
            return;
        }
        forgetCached(spec);
        DiskStore opened = opener.open(spec);
        boolean same = false;
        try {
            requireSame(opened);
            PvDevice of = device;
            if (of != null) {
                opened.belongsTo(of);
            }
            bytes = opened.bytes();
            current = opened;
            same = true;
        } finally {
            if (!same) {
                opened.close();
            }
        }
    }

    private void requireSame(DiskStore opened) throws Refused {
        if (opened.bytes() < bytes) {
            throw new Refused(
                    "%s has %d bytes, and had %d".formatted(spec.target(), opened.bytes(), bytes));
        }
        if (!opened.features().equals(features)) {
            throw new Refused(spec.target() + " cannot do what it could");
        }
        if (!Objects.equals(lastWritten(), written)) {
            throw new Refused(spec.target() + " was written since it was given up here");
        }
    }

    /// Null for what has no such time: only a raw image's is that of its guest's last write.
    private @Nullable Written lastWritten() {
        Path path = path(spec);
        if (path == null || !spec.format().equals(DiskSpec.RAW)) {
            return null;
        }
        try {
            BasicFileAttributes found = Files.readAttributes(path, BasicFileAttributes.class);
            return found.isRegularFile() && spec.writable()
                    ? new Written(found.lastModifiedTime(), found.size())
                    : null;
        } catch (IOException e) {
            // It is told by the next opening.
            return null;
        }
    }

    /// Lets the host read the file anew. Its page cache may have pages from before another host has written them; the
    /// file system need not know that.
    ///
    /// @throws Refused if the host cannot do that
    private static void forgetCached(DiskSpec spec) throws Refused {
        Path path = path(spec);
        if (path == null) {
            return;
        }
        int result;
        try (HostFile file = HostFile.open(path, Set.of())) {
            result = file.forgetCached();
        } catch (KvmException _) {
            // The next opening tells it.
            return;
        }
        if (result != 0) {
            throw new Refused("%s: posix_fadvise: %s".formatted(path, Errno.name(-result)));
        }
    }

    /// The file of a disk; null if it has none here.
    private static @Nullable Path path(DiskSpec spec) {
        try {
            return spec.isFile() ? Path.of(spec.target()) : null;
        } catch (InvalidPathException e) {
            return null;
        }
    }

    @Override
    public synchronized void belongsTo(PvDevice owner) {
        device = owner;
        DiskStore store = current;
        if (store != null) {
            store.belongsTo(owner);
        }
    }

    @Override
    public DiskFeatures features() {
        return features;
    }

    @Override
    public long bytes() {
        DiskStore store = current;
        return store == null ? bytes : store.bytes();
    }

    @Override
    public synchronized void resize() {
        DiskStore store = current;
        if (store == null) {
            throw new KvmException("resize", Errno.EBUSY);
        }
        store.resize();
    }

    @Override
    public boolean isFasterJoined() {
        return isFasterJoined;
    }

    @Override
    public boolean keepsWrites() {
        return keepsWrites;
    }

    @Override
    public long nextData(long from) {
        DiskStore store = current;
        if (store == null) {
            throw new KvmException("lseek", Errno.EBUSY);
        }
        return store.nextData(from);
    }

    @Override
    public void submit(DiskTransfer transfer) {
        DiskStore store = current;
        if (store == null) {
            transfer.complete(Errno.EIO);
        } else {
            transfer.changes(writes);
            store.submit(transfer);
        }
    }

    /// What notes its changes.
    StoreWrites writes() {
        return writes;
    }

    @Override
    public void giveUp() {
        DiskStore store = current;
        if (store != null) {
            store.giveUp();
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        DiskStore store = current;
        if (store != null) {
            store.close();
        }
    }
}
