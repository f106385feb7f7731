package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The decisions of migrations outlive the service.
final class MigrationRecordsTest {
    private static final String TEXT = "decided\nweb\nother\n";

    @TempDir private Path folder = Path.of("");

    private final UUID id = new UUID(3, 4);

    private List<UUID> left() throws Exception {
        return new MigrationRecords(folder).left().stream().map(Migration::id).toList();
    }

    private MigrationRecords.Draft draft() throws Exception {
        return new MigrationRecords(folder)
                .draft(new Migration(id, Migration.Direction.OUT, List.of("web"), "other"));
    }

    private void decide() throws Exception {
        try (MigrationRecords.Draft draft = draft()) {
            draft.decide();
        }
    }

    private List<Path> files() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Test
    void draftIsNoDecision() throws Exception {
        try (MigrationRecords.Draft _ = draft()) {
            assertEquals(1, files().size());
        }
        assertEquals(List.of(), files());
    }

    /// The service is killed before it decides.
    @Test
    void draftThatIsLeftIsNoDecision() throws Exception {
        MigrationRecords.Draft _ = draft();
        assertEquals(List.of(), left());
        assertEquals(List.of(), files());
    }

    /// It decides while the new process begins, and then hands over.
    @Test
    void draftOfARunningServiceOutlivesTheBeginningOfAnUpgrade() throws Exception {
        Path dumps = folder.resolve("dumps");
        Path records = Files.createDirectory(folder.resolve("records"));
        Path sockets = Files.createDirectory(folder.resolve("sockets"));
        MigrationRecords.Draft draft =
                new MigrationRecords(records)
                        .draft(new Migration(id, Migration.Direction.OUT, List.of("web"), "other"));
        try (FakeHypervisor old = new FakeHypervisor();
                FakeHypervisor next = new FakeHypervisor();
                HostedGuests oldGuests = new HostedGuests(old.hypervisor, dumps, dumps);
                HostedGuests nextGuests =
                        HostedGuests.takingOver(next.hypervisor, dumps, records)) {
            assertEquals(List.of(), nextGuests.migrations().list());
            draft.decide();
            assertEquals(
                    List.of("left", "taken"), HandOver.run(sockets, old, oldGuests, nextGuests));
            assertEquals(
                    List.of(id),
                    nextGuests.migrations().list().stream().map(Migration.Status::id).toList());
        }
    }

    @Test
    void decisionIsFoundUntilItIsForgotten() throws Exception {
        assertEquals(List.of(), left());
        decide();
        assertEquals(List.of(id), left());
        new MigrationRecords(folder).forget(id);
        assertEquals(List.of(), left());
    }

    /// It was killed when all of the text was in the file, and the file had not got its name.
    @Test
    void decisionThatAKilledServiceWasWritingIsNoneAndHidesNone() throws Exception {
        decide();
        Path partial = folder.resolve(new UUID(1, 2) + ".123.partial");
        Files.writeString(partial, TEXT);
        assertEquals(List.of(id), left());
        assertFalse(Files.exists(partial));
    }

    @Test
    void anotherFileHidesNoDecision() throws Exception {
        decide();
        Files.writeString(folder.resolve("a-note"), TEXT);
        Files.writeString(folder.resolve(new UUID(1, 2).toString()), "decided\n");
        Files.write(folder.resolve(new UUID(1, 3).toString()), new byte[] {(byte) 0xff});
        Files.createDirectory(folder.resolve(new UUID(1, 4).toString()));
        assertEquals(List.of(id), left());
    }
}
