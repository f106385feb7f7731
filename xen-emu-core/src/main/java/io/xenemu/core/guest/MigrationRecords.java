package io.xenemu.core.guest;

import io.xenemu.kvm.file.NewFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The decisions of a source, each a file that is on the disk before the destination may run the guest. The file stays
/// until the destination has confirmed, or an operator has decided. It has three lines: the word `decided`, the guest's
/// name and the other host. That of guests that move together has `decided-together`, the other host, and a line for
/// each name.
///
/// @param folder which may not be there yet
record MigrationRecords(Path folder) {
    private static final Logger log = LoggerFactory.getLogger(MigrationRecords.class);
    private static final String WORD = "decided";
    private static final String TOGETHER = "decided-together";
    private static final int LINES = 3;

    private Path file(UUID id) {
        return folder.resolve(id.toString());
    }

    /// Writes a decision in advance, as a file that is none yet: when the guest stands still, only its name is missing.
    ///
    /// @throws IOException if it cannot be written
    Draft draft(Migration migration) throws IOException {
        Files.createDirectories(folder);
        NewFile record = new NewFile(file(migration.id()));
        boolean done = false;
        try {
            ByteBuffer bytes = ByteBuffer.wrap(text(migration).getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                record.channel().write(bytes);
            }
            record.channel().force(true);
            done = true;
            return new Draft(record, migration.id());
        } finally {
            if (!done) {
                record.close();
            }
        }
    }

    /// A decision that may still be made.
    final class Draft implements AutoCloseable {
        private final NewFile record;
        private final UUID id;

        private Draft(NewFile record, UUID id) {
            this.record = record;
            this.id = id;
        }

        /// Makes the decision, and waits until it lasts.
        ///
        /// @throws IOException if that cannot be known; then there is no record
        void decide() throws IOException {
            boolean done = false;
            try {
                record.complete();
                done = true;
            } finally {
                if (!done) {
                    forget(id);
                }
            }
        }

        /// Removes the draft, unless the decision was made.
        @Override
        public void close() {
            try {
                record.close();
            } catch (IOException e) {
                log.warn("the draft of the decision {} stays: {}", id, e.toString());
            }
        }
    }

    private static String text(Migration migration) {
        List<String> lines = new ArrayList<>();
        if (migration.guests().size() == 1) {
            lines.addAll(List.of(WORD, migration.guest(), migration.peer()));
        } else {
            lines.addAll(List.of(TOGETHER, migration.peer()));
            lines.addAll(migration.guests());
        }
        return String.join("\n", lines) + "\n";
    }

    /// Removes a record, if there is one.
    void forget(UUID id) throws IOException {
        Files.deleteIfExists(file(id));
    }

    /// The decisions that an earlier service has left open. A file that is none hides no other one: what a service was
    /// writing when it was killed is no decision, and is removed.
    List<Migration> left() throws IOException {
        List<Migration> left = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                String name = String.valueOf(file.getFileName());
                if (NewFile.isPartial(name)) {
                    Files.deleteIfExists(file);
                } else {
                    read(file, name).ifPresent(left::add);
                }
            }
        } catch (NoSuchFileException e) {
            return List.of();
        }
        return left;
    }

    private static Optional<Migration> read(Path file, String name) {
        try {
            List<String> lines = Files.readAllLines(file);
            if (lines.size() == LINES && lines.getFirst().equals(WORD)) {
                return Optional.of(
                        Migration.left(UUID.fromString(name), List.of(lines.get(1)), lines.get(2)));
            }
            if (lines.size() > LINES && lines.getFirst().equals(TOGETHER)) {
                return Optional.of(
                        Migration.left(
                                UUID.fromString(name),
                                lines.subList(2, lines.size()),
                                lines.get(1)));
            }
            log.warn("{} is no record of a migration", file);
        } catch (IOException | IllegalArgumentException e) {
            log.warn("{} is no record of a migration: {}", file, e.toString());
        }
        return Optional.empty();
    }
}
