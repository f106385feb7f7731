package io.xenemu.core.backend.block;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A raw image that comes with its guest, as a sparse file of mode 0600. It is written under the name NAME`.incoming`.
/// When it is complete, NAME is a second link to it; when its guest runs, the first one goes. So a file with both names
/// is what a copy has left that did not come to its end, and the next one removes it. A file under NAME alone is
/// somebody's disk.
///
/// A lock on it keeps other copies away until its guest's device has locked it.
final class IncomingFile implements BackendKind.IncomingDisk {
    /// The suffix of the name of a disk whose guest does not run yet.
    static final String SUFFIX = ".incoming";

    /// That of its third name while it takes the place of another file.
    private static final String NEXT = SUFFIX + ".next";

    private static final int MIB_SHIFT = 20;

    private static final Logger log = LoggerFactory.getLogger(IncomingFile.class);

    /// Gives a file a second name.
    @FunctionalInterface
    interface Links {
        /// Does it.
        ///
        /// @throws IOException if the file system cannot
        void make(Path name, Path file) throws IOException;
    }

    private final Path target;
    private final Path partial;
    private final long bytes;
    private final boolean replaces;
    private final Links links;
    private final HostFile file;
    private boolean linked;
    private boolean kept;
    private boolean closed;

    private IncomingFile(
            Path target, Path partial, long bytes, boolean replaces, Links links, HostFile file) {
        this.links = links;
        this.target = target;
        this.partial = partial;
        this.bytes = bytes;
        this.replaces = replaces;
        this.file = file;
    }

    /// Checks that a copy could be made: see [DiskCopier#place].
    static BackendKind.CopyPlace place(Path target, long bytes, long taken, boolean replaces)
            throws Refused {
        Path partial = partial(target);
        Path folder = folder(target);
        boolean isLeft = isLeft(target, partial);
        requireFree(target, replaces || isLeft);
        if (!Files.isWritable(folder)) {
            throw new Refused(folder + ": no file can be made here");
        }
        try {
            FileStore store = Files.getFileStore(folder);
            String found =
                    "%s is made here: a disk of %d MiB, of which %d MiB have data; %d MiB are free%s"
                            .formatted(
                                    target,
                                    bytes >> MIB_SHIFT,
                                    taken >> MIB_SHIFT,
                                    store.getUsableSpace() >> MIB_SHIFT,
                                    replaces && Files.exists(target)
                                            ? "; the file that is there is replaced"
                                            : "");
            Path made = folder.toRealPath().resolve(target.getFileName());
            return new BackendKind.CopyPlace(found, store, taken, Optional.of(made));
        } catch (IOException e) {
            throw new Refused(folder + ": " + IoReason.of(e));
        }
    }

    /// Whether a file is what an earlier copy has left.
    ///
    /// @throws Refused if somebody uses it
    static boolean isLeft(Path target) throws Refused {
        return isLeft(target, partial(target));
    }

    /// The place of a disk that is there already.
    static BackendKind.CopyPlace comparison(Path target) throws Refused {
        try {
            return new BackendKind.CopyPlace(
                    target + " is here already, is only read, and will be compared",
                    Files.getFileStore(target),
                    0,
                    Optional.empty());
        } catch (IOException e) {
            throw new Refused(target + ": " + IoReason.of(e));
        }
    }

    /// Makes the file, and removes what an earlier copy has left: see [DiskCopier#copy].
    static IncomingFile make(Path target, long bytes, boolean replaces) throws Refused {
        return make(target, bytes, replaces, Files::createLink);
    }

    /// @param links tried before the content comes, since it is needed after that
    static IncomingFile make(Path target, long bytes, boolean replaces, Links links)
            throws Refused {
        Path partial = partial(target);
        boolean isLeft = isLeft(target, partial);
        requireFree(target, replaces || isLeft);
        HostFile file = null;
        boolean made = false;
        try {
            if (isLeft) {
                Files.deleteIfExists(target);
            }
            Files.deleteIfExists(partial);
            Files.createFile(
                    partial,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            made = true;
            try (RandomAccessFile sized = new RandomAccessFile(partial.toFile(), "rw")) {
                sized.setLength(bytes);
            }
            file = HostFile.open(partial, EnumSet.of(HostFile.Access.WRITE));
            if (file.lock(true) < 0) {
                throw new Refused(partial + " is in use");
            }
            requireLinks(links, next(target), partial);
            IncomingFile incoming = new IncomingFile(target, partial, bytes, replaces, links, file);
            file = null;
            made = false;
            return incoming;
        } catch (IOException e) {
            throw new Refused(partial + ": " + IoReason.of(e));
        } catch (KvmException e) {
            throw new Refused(partial + ": " + e.getMessage());
        } finally {
            if (file != null) {
                file.close();
            }
            if (made) {
                remove(partial);
            }
        }
    }

    private static void requireLinks(Links links, Path next, Path partial) throws Refused {
        try {
            Files.deleteIfExists(next);
            links.make(next, partial);
            Files.delete(next);
        } catch (IOException | UnsupportedOperationException e) {
            throw new Refused(
                    "%s: a disk that comes needs a second name, and this file system gives it none: %s"
                            .formatted(
                                    partial,
                                    e instanceof IOException io ? IoReason.of(io) : e.toString()));
        }
    }

    private static Path next(Path target) {
        return target.resolveSibling(target.getFileName() + NEXT);
    }

    private static Path partial(Path target) throws Refused {
        Path name = target.getFileName();
        if (!target.isAbsolute() || name == null) {
            throw new Refused(target + ": no file of a guest that comes can have this path");
        }
        return target.resolveSibling(name + SUFFIX);
    }

    private static Path folder(Path target) throws Refused {
        Path folder = target.getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new Refused(folder + ": no such folder here");
        }
        return folder;
    }

    /// Whether an earlier copy has left its file, and nobody uses it.
    ///
    /// @return false if there is none, or only a part of a disk
    /// @throws Refused if somebody uses it
    private static boolean isLeft(Path target, Path partial) throws Refused {
        try {
            if (!Files.exists(partial)) {
                return false;
            }
            requireUnused(partial);
            return Files.exists(target) && Files.isSameFile(target, partial);
        } catch (IOException e) {
            throw new Refused(partial + ": " + IoReason.of(e));
        }
    }

    private static void requireUnused(Path path) throws Refused {
        try (HostFile there = HostFile.open(path, EnumSet.noneOf(HostFile.Access.class))) {
            if (there.isLockedByOther()) {
                throw new Refused(path + " is in use here");
            }
        } catch (KvmException e) {
            throw new Refused(path + ": " + e.getMessage());
        }
    }

    private static void requireFree(Path target, boolean mayGo) throws Refused {
        if (!Files.exists(target)) {
            return;
        }
        if (!Files.isRegularFile(target)) {
            throw new Refused(target + " is there already, and is no file that could be replaced");
        }
        if (!mayGo) {
            throw new Refused(
                    target + " is there already (--replace-storage replaces it by the copy)");
        }
        requireUnused(target);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void write(long at, MemorySegment part) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = part;
            if (!part.isNative()) {
                memory = arena.allocate(part.byteSize());
                memory.copyFrom(part);
            }
            IoVectors vectors = new IoVectors(arena, 1);
            vectors.add(memory.address(), memory.byteSize());
            int errno = file.writeAll(vectors, at);
            if (errno != 0) {
                throw failed(errno);
            }
            // So that little is left for the round's end. That tells if it fails.
            int _ = file.writeOut(at, part.byteSize(), false);
        }
    }

    @Override
    public void zero(long at, long count) throws IOException {
        int result = file.punchHole(at, count);
        if (result == -Errno.EOPNOTSUPP) {
            try (Arena arena = Arena.ofConfined()) {
                write(at, arena.allocate(count));
            }
        } else if (result < 0) {
            throw failed(-result);
        }
    }

    @Override
    public void sync() throws IOException {
        int result = file.sync();
        if (result < 0) {
            throw failed(-result);
        }
    }

    private IOException failed(int errno) {
        return new IOException(target + ": " + Errno.name(errno));
    }

    @Override
    public void complete() throws IOException {
        sync();
        if (replaces) {
            Path next = next(target);
            Files.deleteIfExists(next);
            links.make(next, partial);
            linked = true;
            Files.move(next, target, StandardCopyOption.ATOMIC_MOVE);
        } else {
            links.make(target, partial);
            linked = true;
        }
        syncFolder();
        // The guest's device locks it.
        closeFile();
    }

    private void syncFolder() throws IOException {
        try (FileChannel folder =
                FileChannel.open(target.resolveSibling("."), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    @Override
    public void keep() {
        kept = true;
        try {
            Files.deleteIfExists(partial);
            syncFolder();
        } catch (IOException e) {
            log.warn(
                    "{} is the disk of a guest, and {} is to be removed: {}",
                    target,
                    partial,
                    IoReason.of(e));
        }
    }

    private void closeFile() {
        if (!closed) {
            closed = true;
            file.close();
        }
    }

    @Override
    public void close() {
        if (!kept) {
            if (linked) {
                removeTarget();
            }
            remove(partial);
            kept = true;
        }
        closeFile();
    }

    /// Unless another file has taken its place.
    private void removeTarget() {
        try {
            if (Files.exists(target) && Files.isSameFile(target, partial)) {
                Files.delete(target);
            }
        } catch (IOException e) {
            log.warn("{} stays, and is no disk of a guest: {}", target, IoReason.of(e));
        }
    }

    private static void remove(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            log.warn("{} stays, and is no disk of a guest: {}", path, IoReason.of(e));
        }
    }
}
