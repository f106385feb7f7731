package io.xenemu.core.backend.nbd;

import io.xenemu.core.host.HostProgram;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A program of QEMU's that serves a disk image by NBD.
sealed interface ServerProgram {
    /// The command that serves an image.
    ///
    /// @param socket that it listens on
    /// @param lifeline of the service, if it [#needsLifeline]
    /// @param clients connections at once
    List<String> command(DiskImage image, Path socket, Path lifeline, int clients);

    /// Whether it goes on without connections. Then it ends by a [Lifeline].
    boolean needsLifeline();

    /// The program's name.
    String name();

    /// `qemu-nbd` if it is installed, else `qemu-storage-daemon`.
    ///
    /// @param image that needs it
    /// @param searched folders where they may be, separated by colons
    /// @throws NbdException if neither is installed
    static ServerProgram find(DiskImage image, String searched) throws NbdException {
        Optional<Path> nbd = HostProgram.find(QemuNbdProgram.NAME, searched);
        if (nbd.isPresent()) {
            return new QemuNbdProgram(nbd.get());
        }
        Optional<Path> daemon = HostProgram.find(StorageDaemon.NAME, searched);
        Optional<Path> wrapper = HostProgram.find(StorageDaemon.WRAPPER, searched);
        if (daemon.isPresent() && wrapper.isPresent()) {
            return new StorageDaemon(daemon.get(), wrapper.get());
        }
        throw new NbdException(
                "%s: this format needs qemu-nbd (Debian: qemu-utils) or qemu-storage-daemon (qemu-system-common), and neither is installed"
                        .formatted(image.source()),
                true);
    }

    /// `qemu-nbd`. It is not `--persistent`: it ends in order, with its caches written, when the last connection ends.
    /// So it ends with the service too, however that ends.
    record QemuNbdProgram(Path path) implements ServerProgram {
        private static final String NAME = "qemu-nbd";

        @Override
        public List<String> command(DiskImage image, Path socket, Path lifeline, int clients) {
            List<String> words = new ArrayList<>();
            words.add(path.toString());
            words.add("--shared=" + clients);
            words.add("--discard=" + (image.discard() ? "unmap" : "ignore"));
            words.add("--detect-zeroes=off");
            words.add("--cache=" + (image.direct() ? "none" : "writeback"));
            words.add("--socket=" + socket);
            if (!image.writable()) {
                words.add("--read-only");
            }
            words.addAll(image.keyOptions());
            words.add("--");
            words.add("json:" + image.json(""));
            return words;
        }

        @Override
        public boolean needsLifeline() {
            return false;
        }

        @Override
        public String name() {
            return NAME;
        }
    }

    /// `qemu-storage-daemon`. It serves until a signal ends it, in order and with its caches written. A shell sends it
    /// that signal when the service has no [Lifeline] any more, as after its end.
    ///
    /// @param wrapper `setpriv` (Debian: util-linux), which ends that shell with it
    record StorageDaemon(Path path, Path wrapper) implements ServerProgram {
        private static final String NAME = "qemu-storage-daemon";
        private static final String WRAPPER = "setpriv";

        @Override
        public List<String> command(DiskImage image, Path socket, Path lifeline, int clients) {
            List<String> words = new ArrayList<>(Lifeline.command(lifeline, wrapper));
            words.add(path.toString());
            words.addAll(image.keyOptions());
            words.add("--blockdev");
            words.add(
                    image.json(
                            ",\"node-name\":\"disk\",\"read-only\":%b,\"discard\":\"%s\",\"cache\":{\"direct\":%b}"
                                    .formatted(
                                            !image.writable(),
                                            image.discard() ? "unmap" : "ignore",
                                            image.direct())));
            words.add("--nbd-server");
            words.add(
                    "{\"addr\":{\"type\":\"unix\",\"path\":%s},\"max-connections\":%d}"
                            .formatted(Json.quoted(socket.toString()), clients));
            words.add("--export");
            words.add(
                    "{\"type\":\"nbd\",\"id\":\"disk\",\"node-name\":\"disk\",\"name\":\"\",\"writable\":%b}"
                            .formatted(image.writable()));
            return words;
        }

        @Override
        public boolean needsLifeline() {
            return true;
        }

        @Override
        public String name() {
            return NAME;
        }
    }
}
