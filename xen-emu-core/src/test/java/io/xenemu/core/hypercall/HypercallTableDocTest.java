package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// The documents' tables of hypercalls are the dispatcher's: each operation in hypercalls.md, each hypercall in the
/// README.
final class HypercallTableDocTest {
    private static final Path SOURCES = Path.of("src/main/java/io/xenemu/core/hypercall");

    /// A hypercall without sub-operations, in the columns for them.
    private static final String NONE = "-";

    /// The columns of a line.
    private record Row(
            String number, String hypercall, String command, String op, String file, String by) {
        static Row of(List<String> cells) {
            return new Row(
                    cells.get(0),
                    cells.get(1),
                    cells.get(2),
                    cells.get(3),
                    cells.get(4),
                    cells.get(5));
        }

        String operation() {
            return String.join(" ", number, hypercall, command, op);
        }
    }

    private static List<Row> documented() throws IOException {
        return Document.read("xen-emu-core/docs/hypercalls.md").table("hypercalls", 6).stream()
                .map(Row::of)
                .toList();
    }

    private static String describe(HypercallOp op) {
        boolean single = op.command() < 0;
        return String.join(
                " ",
                Integer.toString(op.number()),
                op.hypercall(),
                single ? NONE : Integer.toString(op.command()),
                single ? NONE : op.op());
    }

    @Test
    void tableListsWhatTheDispatcherServes() throws IOException {
        List<String> documented = documented().stream().map(Row::operation).toList();
        List<String> served =
                HypercallTable.standard().ops().stream()
                        .filter(op -> !op.unknown())
                        .map(HypercallTableDocTest::describe)
                        .toList();

        assertEquals(
                String.join("\n", new TreeSet<>(served)),
                String.join("\n", new TreeSet<>(documented)));
        assertEquals(served.size(), documented.size(), "a line is there twice");
    }

    @Test
    void theFileThatATableLineNamesDeclaresItsHypercall() throws IOException {
        for (Row row : documented()) {
            Path file = SOURCES.resolve(row.file);
            assertTrue(Files.isRegularFile(file), row + ": no such file");
            String source = Files.readString(file);
            assertTrue(source.contains("\"" + row.hypercall + "\", " + row.number), row.toString());
        }
    }

    @Test
    void everyLineNamesTheServerThatAnswers() throws IOException {
        for (Row row : documented()) {
            assertTrue(List.of("service", "KVM, else service").contains(row.by), row.toString());
        }
    }

    @Test
    void readmeNamesTheFileOfEveryHypercall() throws IOException {
        Set<List<String>> all = new LinkedHashSet<>();
        documented().forEach(row -> all.add(List.of(row.number, row.hypercall, row.file)));
        List<List<String>> inReadme =
                Document.read("README.md").table("hypercalls", 4).stream()
                        .map(cells -> cells.subList(0, 3))
                        .toList();

        assertEquals(List.copyOf(all), inReadme);
    }
}
