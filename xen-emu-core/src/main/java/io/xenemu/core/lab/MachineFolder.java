package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The files of one running lab machine, in the cache folder, for its owner alone.
///
/// @param root the folder; its name begins with the process id of its owner
record MachineFolder(Path root) {
    private static final int LAST_LINES = 8;

    /// Makes a folder, and deletes folders that dead owners left.
    static MachineFolder create(CacheFolder cache, String token) throws IOException {
        Path machines = cache.root().resolve("machines");
        Files.createDirectories(machines);
        deleteOrphans(machines);
        Path root =
                Files.createTempDirectory(
                        machines,
                        ProcessHandle.current().pid() + "-",
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rwx------")));
        MachineFolder folder = new MachineFolder(root);
        Files.createDirectories(folder.control());
        Files.writeString(folder.control().resolve("token"), token + "\n");
        Files.writeString(folder.control().resolve("path"), folder.share().toString());
        return folder;
    }

    /// The folder that the machine sees at the same path.
    Path share() {
        return root.resolve("share");
    }

    /// A file that exists when the machine takes commands.
    Path ready() {
        return control().resolve("ready");
    }

    /// The heartbeat: from then on the machine writes its uptime to this file every 5 s.
    Path heartbeat() {
        return control().resolve("heartbeat");
    }

    Path serialLog() {
        return root.resolve("serial.log");
    }

    Path qemuLog() {
        return root.resolve("qemu.log");
    }

    private Path control() {
        return share().resolve(".machine");
    }

    /// The last lines of the machine and QEMU, for a message.
    String lastWords() throws IOException {
        String serial = tail(serialLog());
        return serial.isEmpty() ? tail(qemuLog()) : serial;
    }

    void delete() throws IOException {
        CacheFolder.deleteTree(root);
    }

    private static String tail(Path file) throws IOException {
        if (!Files.exists(file)) {
            return "";
        }
        try (Stream<String> lines = Files.readString(file, ISO_8859_1).lines()) {
            List<String> all =
                    lines.filter(line -> !line.isBlank() && !line.contains("warning: TCG"))
                            .toList();
            return all.stream()
                    .skip(Math.max(0, all.size() - LAST_LINES))
                    .collect(Collectors.joining("\n  ", "\n  ", ""));
        }
    }

    private static void deleteOrphans(Path machines) throws IOException {
        List<Path> folders;
        try (Stream<Path> list = Files.list(machines)) {
            folders = list.toList();
        }
        for (Path folder : folders) {
            String name = folder.getFileName().toString();
            long owner = Long.parseLong(name.substring(0, name.indexOf('-')));
            if (ProcessHandle.of(owner).isEmpty()) {
                deleteOrphan(folder);
            }
        }
    }

    private static void deleteOrphan(Path folder) throws IOException {
        Path taken =
                folder.resolveSibling(ProcessHandle.current().pid() + "-" + folder.getFileName());
        try {
            Files.move(folder, taken, StandardCopyOption.ATOMIC_MOVE);
        } catch (NoSuchFileException e) {
            // Another process that starts a machine has taken it.
            return;
        }
        CacheFolder.deleteTree(taken);
    }
}
