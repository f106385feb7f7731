package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// The README's table of hypercalls is the dispatcher's.
final class HypercallTableDocTest {
    private static final Path README = Path.of("../README.md");
    private static final Path SOURCES = Path.of("src/main/java/io/xenemu/core/hypercall");

    /// A hypercall without sub-operations, in the columns for them.
    private static final String NONE = "-";

    /// The columns of a line.
    private record Row(
            String number, String hypercall, String command, String op, String file, String by) {
        static Row parse(String line) {
            String[] cells = line.replace("`", "").split("\\|", -1);
            assertEquals(8, cells.length, line);
            return new Row(
                    cells[1].strip(),
                    cells[2].strip(),
                    cells[3].strip(),
                    cells[4].strip(),
                    cells[5].strip(),
                    cells[6].strip());
        }

        String operation() {
            return String.join(" ", number, hypercall, command, op);
        }
    }

    private static List<Row> documented() throws IOException {
        String text = Files.readString(README);
        int start = text.indexOf("<!-- hypercalls -->");
        int end = text.indexOf("<!-- /hypercalls -->");
        assertTrue(0 <= start && start < end, "README.md has no table of hypercalls");
        List<Row> rows = new ArrayList<>();
        List<String> lines =
                text.substring(start, end).lines().filter(line -> line.startsWith("|")).toList();
        // Without the header and the line below it.
        lines.subList(2, lines.size()).forEach(line -> rows.add(Row.parse(line)));
        return rows;
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
    void everyLineSaysWhoAnswers() throws IOException {
        for (Row row : documented()) {
            assertTrue(List.of("service", "KVM, else service").contains(row.by), row.toString());
        }
    }
}
