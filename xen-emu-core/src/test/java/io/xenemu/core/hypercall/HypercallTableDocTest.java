package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// The documents' tables of hypercalls are the dispatcher's: each operation in hypercalls.md, each served hypercall in
/// the README. [HypercallDocument] rewrites the former.
final class HypercallTableDocTest {
    private static final Set<String> WITHOUT_FILE = Set.of("PvOnlyOps.java", "ToolstackOps.java");

    @Test
    void tableIsThatOfTheDispatcher() throws IOException {
        String text = Document.read(HypercallDocument.PAGE).text();

        assertTrue(
                text.contains(
                        "<!-- hypercalls -->\n"
                                + HypercallDocument.print(HypercallDocument.rows())
                                + "<!-- /hypercalls -->"),
                "run " + HypercallDocument.class.getName());
    }

    @Test
    void answersFromElsewhereAreForOperationsOfTheTable() throws IOException {
        Set<String> known =
                HypercallTable.standard().ops().stream()
                        .map(op -> HypercallDocument.key(op.number(), op.command()))
                        .collect(Collectors.toSet());

        for (String key : HypercallDocument.keysOfElsewhere()) {
            assertTrue(known.contains(key), key);
        }
    }

    @Test
    void readmeNamesTheFileOfEveryHypercall() throws IOException {
        Set<List<String>> all = new LinkedHashSet<>();
        for (List<String> row : HypercallDocument.rows()) {
            if (!WITHOUT_FILE.contains(row.get(4))) {
                all.add(List.of(row.get(0), row.get(1), row.get(4)));
            }
        }
        List<List<String>> inReadme =
                Document.read("README.md").table("hypercalls", 4).stream()
                        .map(cells -> cells.subList(0, 3))
                        .toList();

        assertEquals(List.copyOf(all), inReadme);
    }
}
