package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SavedPages;
import io.xenemu.core.paging.LateRam;
import io.xenemu.core.paging.PageService;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.xenimage.XenImageReader;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.FileStatus;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A restore after which the guest's memory comes from its file while it runs. For the thread that restores.
final class LazyRestore implements AutoCloseable {
    private final PageService pages;

    /// Whether other guests share the pages of the file.
    private final boolean shares;

    private final FileChannel channel;

    /// The same file, for what is read when the guest runs.
    private @Nullable FileChannel later;

    /// These are the page service's own after [#begin].
    private @Nullable UserFaultFd faults;

    private @Nullable HostFile file;
    private long start;
    private @Nullable LateRam ram;

    private LazyRestore(
            PageService pages,
            boolean shares,
            UserFaultFd faults,
            HostFile file,
            FileChannel channel,
            FileChannel later) {
        this.pages = pages;
        this.shares = shares;
        this.faults = faults;
        this.file = file;
        this.channel = channel;
        this.later = later;
    }

    /// Opens a file. What this host does not allow is found first.
    ///
    /// @param shares whether other guests share its pages
    /// @throws Refused if it is no file, or real Xen has saved it, or this process may not make the kernel wait for
    ///     pages
    /// @throws IOException if it cannot be opened
    static LazyRestore open(SavePlace place, PageService pages, boolean shares)
            throws Refused, IOException {
        if (place.kind() != SavePlace.Kind.FILE) {
            throw new Refused("lazy: a pipe cannot be read in any order, only a file");
        }
        UserFaultFd faults = faults();
        HostFile file = null;
        FileChannel channel = null;
        FileChannel later = null;
        boolean done = false;
        try {
            file = file(place.path());
            pages.prepare();
            channel = reader(file);
            requireOurs(place, channel);
            later = reader(file);
            done = true;
            return new LazyRestore(pages, shares, faults, file, channel, later);
        } finally {
            if (!done) {
                faults.close();
                if (file != null) {
                    file.close();
                }
                if (channel != null) {
                    channel.close();
                }
            }
        }
    }

    private static FileChannel reader(HostFile file) throws IOException {
        return FileChannel.open(Path.of("/proc/self/fd", Integer.toString(file.fd())));
    }

    private static void requireOurs(SavePlace place, FileChannel channel)
            throws Refused, IOException {
        ByteBuffer first = ByteBuffer.allocate(XenImageReader.MAGIC_BYTES);
        while (first.hasRemaining() && channel.read(first, first.position()) > 0) {
            // Until it is full, or nothing more comes.
        }
        if (XenImageReader.begins(Arrays.copyOf(first.array(), first.position()))) {
            throw new Refused(
                    place.path()
                            + ": real Xen has saved it: its memory cannot come later, and it has no clones");
        }
    }

    /// The userfaultfd of a domain.
    ///
    /// @throws Refused if this process may not have one
    static UserFaultFd faults() throws Refused {
        try {
            return UserFaultFd.open();
        } catch (KvmException e) {
            throw new Refused(
                    e.errno() == Errno.EPERM
                            ? "this service may not use userfaultfd: it needs CAP_SYS_PTRACE, or the right to"
                                    + " open /dev/userfaultfd"
                            : "this host has no userfaultfd for shared memory: " + e.getMessage());
        }
    }

    private static HostFile file(Path path) throws Refused {
        HostFile file;
        try {
            file = HostFile.open(path, Set.of());
        } catch (KvmException e) {
            throw new Refused(
                    path
                            + ": "
                            + switch (e.errno()) {
                                case Errno.ENOENT -> "no such file or directory";
                                case Errno.EACCES -> "permission denied";
                                default -> Errno.name(e.errno());
                            });
        }
        if (file.status().kind() != FileStatus.Kind.REGULAR) {
            file.close();
            throw new Refused(path + ": not a file");
        }
        return file;
    }

    /// The file, to be read from its beginning.
    FileChannel channel() {
        return channel;
    }

    /// Brings the contents of the guest's kernel and modules, when it runs.
    void bring(LateBootFiles files) {
        FileChannel given = Objects.requireNonNull(later);
        later = null;
        files.bring(given);
    }

    /// Finds the guest's memory in the file.
    ///
    /// @param bytes of the RAM that it has to have
    void find(SaveReader reader, long bytes) throws IOException {
        try (SavedPages found = reader.findRam(channel, bytes)) {
            start = found.start();
        }
    }

    /// Lets the memory of a new domain come, once all of the file is known.
    ///
    /// @throws IOException if there is no page server
    void begin(String name, DomainMemory memory) throws IOException {
        UserFaultFd given = Objects.requireNonNull(faults);
        HostFile from = Objects.requireNonNull(file);
        faults = null;
        file = null;
        ram = pages.bring(name, memory, shares, given, from, start);
    }

    /// Crashes the domain if its memory is lost.
    void serves(Domain domain) {
        Objects.requireNonNull(ram)
                .whenLost(reason -> domain.crash("its memory cannot be read: " + reason));
    }

    @Override
    public void close() {
        if (faults != null) {
            faults.close();
        }
        if (file != null) {
            file.close();
        }
        if (later != null) {
            SavedChannel.close(later);
        }
    }
}
