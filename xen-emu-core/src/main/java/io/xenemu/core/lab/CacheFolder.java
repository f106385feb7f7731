package io.xenemu.core.lab;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/// The folder for everything that is fetched and built for the lab: `$XDG_CACHE_HOME/xen-emu`, or `~/.cache/xen-emu`.
/// Entries appear in it complete or not at all, so several processes can share it.
///
/// @param root the folder
public record CacheFolder(Path root) {
    private static final long LOCK_RETRY_MILLIS = 200;

    /// The user's folder.
    ///
    /// @param environment the process's environment
    public static CacheFolder of(Map<String, String> environment) {
        String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path base =
                xdg.startsWith("/")
                        ? Path.of(xdg)
                        : Path.of(System.getProperty("user.home"), ".cache");
        return new CacheFolder(base.resolve("xen-emu"));
    }

    /// Fills a new entry.
    @FunctionalInterface
    public interface Builder {
        /// Makes the entry.
        ///
        /// @param target does not exist yet; to be created as a file or a folder
        void build(Path target) throws IOException;
    }

    /// Gets an entry, and makes it first if it is not there. One process makes it, others wait for it.
    ///
    /// @param name path below the root
    public Path entry(String name, Builder builder) throws IOException {
        Path target = root.resolve(name);
        if (Files.exists(target)) {
            return target;
        }
        try {
            Files.createDirectories(Objects.requireNonNull(target.getParent()));
        } catch (IOException e) {
            throw new LabException(
                    "cannot write to the cache folder %s (XDG_CACHE_HOME says where it is): %s"
                            .formatted(root, IoReason.of(e)),
                    e);
        }
        Path lock = target.resolveSibling(target.getFileName() + ".lock");
        try (FileChannel channel =
                        FileChannel.open(
                                lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = lock(channel)) {
            if (held.isValid() && !Files.exists(target)) {
                Path temporary = target.resolveSibling(target.getFileName() + ".new");
                deleteTree(temporary);
                builder.build(temporary);
                Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            }
        }
        return target;
    }

    private static FileLock lock(FileChannel channel) throws IOException {
        while (true) {
            try {
                return channel.lock();
            } catch (OverlappingFileLockException e) {
                // Another thread of this process holds the lock.
                try {
                    Thread.sleep(LOCK_RETRY_MILLIS);
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    throw new LabException("interrupted while waiting for another one's download");
                }
            }
        }
    }

    /// Deletes a file or a folder with all that is in it; nothing if it does not exist. Symbolic links are not
    /// followed.
    public static void deleteTree(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> deepestFirst;
        try (Stream<Path> walk = Files.walk(path)) {
            deepestFirst = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path each : deepestFirst) {
            Files.deleteIfExists(each);
        }
    }
}
