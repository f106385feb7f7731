package io.xenemu.core.guest;

import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.boot.NamelessFile;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.migration.BootFile;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;

/// The part of a guest's stream that does not need its state: which guest it is, and the files for its next boot.
final class GuestDescription {
    private GuestDescription() {}

    /// The guest in short.
    ///
    /// @param now the host's time
    static GuestSummary summary(Domain domain, Instant now) {
        DomainConfig config = domain.config();
        return new GuestSummary(
                config.name(),
                domain.id(),
                config.uuid(),
                config.vcpus(),
                config.maxMemoryBytes(),
                now);
    }

    /// Writes it.
    ///
    /// @param request for the guest's boots
    /// @throws Refused if a file of this host cannot be read
    static void write(SaveWriter writer, Domain domain, GuestRequest request)
            throws IOException, Refused {
        writer.guest(
                summary(domain, Instant.now()),
                GuestRequestCodec.VERSION,
                GuestRequestCodec.encode(domain.id(), request));
        if (request.kept() == null) {
            boolean isImported = domain.layout().isPresent();
            file(writer, BootFile.Role.KERNEL, request.kernel().toString(), isImported);
            for (String module : request.modules()) {
                file(writer, BootFile.Role.MODULE, BootModule.file(module), isImported);
            }
            return;
        }
        kept(writer, request);
    }

    /// Writes it for this host: without the files that its next boot finds here.
    static void writeForHere(SaveWriter writer, Domain domain, GuestRequest request)
            throws IOException {
        writer.guest(
                summary(domain, Instant.now()),
                GuestRequestCodec.VERSION,
                GuestRequestCodec.encode(domain.id(), request));
        kept(writer, request);
    }

    private static void kept(SaveWriter writer, GuestRequest request) throws IOException {
        KeptBootFiles kept = request.kept();
        if (kept == null) {
            return;
        }
        BootFile.Role role = BootFile.Role.KERNEL;
        for (KeptBootFiles.Kept file : kept.files()) {
            kept(writer, role, file, kept.areLost());
            role = BootFile.Role.MODULE;
        }
    }

    /// Writes a file that the guest was restored with.
    ///
    /// @param isLost whether its content has not come: it is empty then, and the guest still cannot boot
    private static void kept(
            SaveWriter writer, BootFile.Role role, KeptBootFiles.Kept file, boolean isLost)
            throws IOException {
        if (!isLost) {
            writer.file(role, file.path(), file.content(), true);
            return;
        }
        try (FileChannel none = NamelessFile.create(".none")) {
            writer.file(role, file.path(), none, true);
        }
    }

    /// Writes a file of this host.
    ///
    /// @param isImported whether real Xen saved the guest: the file may have stayed on that host, and is empty then
    private static void file(SaveWriter writer, BootFile.Role role, String path, boolean isImported)
            throws IOException, Refused {
        try (FileChannel content = open(path, isImported)) {
            writer.file(role, path, content, true);
        }
    }

    private static FileChannel open(String path, boolean isImported) throws IOException, Refused {
        try {
            return FileChannel.open(Path.of(path));
        } catch (NoSuchFileException e) {
            if (isImported) {
                return NamelessFile.create(".none");
            }
            throw new Refused(path + ": " + IoReason.withoutFile(e));
        } catch (IOException e) {
            throw new Refused(path + ": " + IoReason.withoutFile(e));
        }
    }
}
