package io.xenemu.core.hypercall;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// The table of docs/hypercalls.md, made from the dispatcher's. Its main method rewrites the document. `java`
/// is that of a JDK 25:
///
/// ```
/// ./mvnw -q -pl xen-emu-core -am test-compile dependency:build-classpath -Dmdep.outputFile=target/test.classpath
/// cd xen-emu-core
/// java --enable-native-access=ALL-UNNAMED -cp "target/test-classes:target/classes:$(cat target/test.classpath)" \
///     io.xenemu.core.hypercall.HypercallDocument
/// ```
final class HypercallDocument {
    static final String PAGE = "xen-emu-core/docs/hypercalls.md";

    private static final Path SOURCES = Path.of("src/main/java/io/xenemu/core/hypercall");

    /// A hypercall without sub-operations, in the columns for them.
    private static final String NONE = "-";

    private static final String SERVED = "served";

    private static final List<String> HEAD =
            List.of("number", "hypercall", "sub-op", "name", "file", "Xen", "QEMU", "here");

    /// The columns of names.
    private static final Set<Integer> NAMES = Set.of(1, 3, 4);

    /// The answers to an operation from QEMU and from KVM itself.
    private record Elsewhere(String peer, String kernel) {
        static final Elsewhere NOBODY = new Elsewhere("-ENOSYS", "");
    }

    private HypercallDocument() {}

    public static void main(String[] args) throws IOException {
        Document page = Document.read(PAGE);
        String text = page.text();
        int start = text.indexOf("<!-- hypercalls -->\n") + "<!-- hypercalls -->\n".length();
        int end = text.indexOf("<!-- /hypercalls -->");
        Path file = Path.of("").toAbsolutePath().resolveSibling(PAGE);
        Files.writeString(file, text.substring(0, start) + print(rows()) + text.substring(end));
    }

    /// The cells of each line, by number and sub-operation.
    static List<List<String>> rows() throws IOException {
        Map<String, Elsewhere> elsewhere = elsewhere();
        Map<Integer, String> files = files();
        return HypercallTable.standard().ops().stream()
                .filter(op -> !op.unknown())
                .sorted(
                        Comparator.comparingInt(HypercallOp::number)
                                .thenComparingInt(HypercallOp::command))
                .map(op -> row(op, files, elsewhere))
                .toList();
    }

    /// The entries of the resource, to be found in the table.
    static List<String> keysOfElsewhere() throws IOException {
        return List.copyOf(elsewhere().keySet());
    }

    static String key(int number, int command) {
        return number + " " + (command < 0 ? NONE : command);
    }

    private static List<String> row(
            HypercallOp op, Map<Integer, String> files, Map<String, Elsewhere> elsewhere) {
        Elsewhere others = elsewhere.getOrDefault(key(op.number(), op.command()), Elsewhere.NOBODY);
        boolean single = op.command() < 0;
        return List.of(
                Integer.toString(op.number()),
                op.hypercall(),
                single ? NONE : Integer.toString(op.command()),
                single ? NONE : op.op(),
                Objects.requireNonNull(files.get(op.number()), op.hypercall()),
                op.handler() instanceof FixedAnswer answer ? answer(answer) : SERVED,
                others.peer,
                op.handler() instanceof FixedAnswer answer
                        ? answer(answer)
                        : others.kernel.isEmpty() ? "service" : "KVM, else service");
    }

    private static String answer(FixedAnswer answer) {
        return answer.error() == null ? "0" : "-" + answer.error().symbol();
    }

    private static Map<String, Elsewhere> elsewhere() throws IOException {
        try (InputStream stream =
                Objects.requireNonNull(
                        HypercallDocument.class.getResourceAsStream("elsewhere.txt"))) {
            Map<String, Elsewhere> all = new HashMap<>();
            for (String line : new String(stream.readAllBytes(), UTF_8).lines().toList()) {
                if (!line.startsWith("#")) {
                    List<String> cells =
                            Stream.of(line.split("\\|", -1)).map(String::strip).toList();
                    all.put(
                            cells.get(0) + " " + cells.get(1),
                            new Elsewhere(cells.get(2), cells.get(3)));
                }
            }
            return all;
        }
    }

    /// The file that declares each number.
    private static Map<Integer, String> files() throws IOException {
        Map<Integer, String> files = new HashMap<>();
        try (Stream<Path> sources = Files.list(SOURCES)) {
            for (Path source : sources.toList()) {
                String text = Files.readString(source);
                for (HypercallOp op : HypercallTable.standard().ops()) {
                    if (text.contains("\"" + op.hypercall() + "\"")
                            && text.replaceAll("\\s+", "")
                                    .matches(
                                            "(?s).*(\"%s\",%d\\b|\\(%d,\"%s\"\\)).*"
                                                    .formatted(
                                                            op.hypercall(),
                                                            op.number(),
                                                            op.number(),
                                                            op.hypercall()))) {
                        files.put(op.number(), source.getFileName().toString());
                    }
                }
            }
        }
        return files;
    }

    /// As Markdown, with columns as wide as their longest cell.
    static String print(List<List<String>> rows) {
        List<List<String>> lines =
                Stream.concat(Stream.of(HEAD), rows.stream().map(HypercallDocument::inCode))
                        .toList();
        int[] widths = new int[HEAD.size()];
        lines.forEach(line -> {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], line.get(i).length());
            }
        });
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            List<String> line = lines.get(i);
            for (int j = 0; j < widths.length; j++) {
                text.append("| ").append(line.get(j)).repeat(" ", widths[j] - line.get(j).length());
                text.append(' ');
            }
            text.append("|\n");
            if (i == 0) {
                for (int width : widths) {
                    text.append('|').repeat("-", width + 2);
                }
                text.append("|\n");
            }
        }
        return text.toString();
    }

    private static List<String> inCode(List<String> cells) {
        return IntStream.range(0, cells.size())
                .mapToObj(i -> NAMES.contains(i) ? code(cells.get(i)) : cells.get(i))
                .toList();
    }

    private static String code(String name) {
        return name.equals(NONE) ? name : "`" + name + "`";
    }
}
