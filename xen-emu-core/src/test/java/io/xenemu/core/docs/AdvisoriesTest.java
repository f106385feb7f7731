package io.xenemu.core.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// `advisories.md` and the names of the back ends' tests tell of the same advisories.
final class AdvisoriesTest {
    private static final Path TABLE = Document.CHECKOUT.resolve("xen-emu-core/docs/advisories.md");

    private static final Path FRONT =
            Document.CHECKOUT.resolve("integration-tests/src/guest/front");

    /// An advisory as the name of a case has it.
    private static final Pattern CASE = Pattern.compile("xsa-\\d+|cve-\\d{4}-\\d+");

    private static final int ADVISORIES_AT_LEAST = 35;

    private static final Pattern ADVISORY = Pattern.compile("XSA-\\d+|CVE-\\d{4}-\\d+");
    private static final Pattern TEST = Pattern.compile("`(\\w+)\\.(\\w+)`");
    private static final Pattern IN_NAME = Pattern.compile("[xX]sa\\d+|[cC]ve\\d+");
    private static final Pattern TEST_FILE = Pattern.compile("/src/test/java/.*Test\\.java$");
    private static final Pattern METHOD = Pattern.compile("\\bvoid (\\w+)\\(");

    /// An advisory as a test's name has it.
    private static String inName(String advisory) {
        return advisory.replace("-", "").toLowerCase(Locale.ROOT);
    }

    @Test
    void eachCaseOfHostileFrontEndsThatIsNamedAfterAnAdvisoryIsInTheTable() throws IOException {
        Set<String> told = new TreeSet<>();
        for (List<String> row : rows()) {
            CASE.matcher(row.get(row.size() - 2)).results().forEach(it -> told.add(it.group()));
        }
        Set<String> played = new TreeSet<>();
        try (Stream<Path> files = Files.list(FRONT)) {
            for (Path file : files.toList()) {
                CASE.matcher(Files.readString(file))
                        .results()
                        .forEach(it -> played.add(it.group()));
            }
        }
        assertEquals(played, told);
    }

    private static Set<String> advisoriesIn(String method) {
        return IN_NAME.matcher(method)
                .results()
                .map(it -> it.group().toLowerCase(Locale.ROOT))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /// The cells of each row that has advisories in its first one.
    private static List<List<String>> rows() throws IOException {
        return Files.readAllLines(TABLE).stream()
                .filter(line -> line.startsWith("| XSA-") || line.startsWith("| CVE-"))
                .map(line -> Splitter.on('|').omitEmptyStrings().trimResults().splitToList(line))
                .toList();
    }

    @Test
    void eachAdvisoryIsATestNamedAfterIt() throws IOException {
        Set<String> told = new TreeSet<>();
        for (List<String> row : rows()) {
            Set<String> advisories =
                    ADVISORY.matcher(row.getFirst())
                            .results()
                            .map(it -> inName(it.group()))
                            .collect(Collectors.toCollection(TreeSet::new));
            Set<String> tested = new TreeSet<>();
            for (MatchResult test : TEST.matcher(row.getLast()).results().toList()) {
                assertTrue(methodsOf(test.group(1)).contains(test.group(2)), test.group());
                tested.addAll(advisoriesIn(test.group(2)));
            }
            assertEquals(advisories, tested, row.getFirst());
            told.addAll(advisories);
        }
        assertTrue(told.size() >= ADVISORIES_AT_LEAST, "advisories: " + told);
    }

    @Test
    void eachTestOfBackEndsThatIsNamedAfterAnAdvisoryIsInTheTable() throws IOException {
        String table = Files.readString(TABLE);
        List<String> missing = new ArrayList<>();
        for (Path file : tests()) {
            if (!file.toString().contains("/core/backend/")) {
                continue;
            }
            for (String method : methods(file)) {
                if (!advisoriesIn(method).isEmpty() && !table.contains("." + method + "`")) {
                    missing.add(file.getFileName() + " " + method);
                }
            }
        }
        assertEquals(List.of(), missing);
    }

    private static List<Path> tests() throws IOException {
        try (Stream<Path> files = Files.walk(Document.CHECKOUT)) {
            return files.filter(file -> TEST_FILE.matcher(file.toString()).find()).toList();
        }
    }

    private static List<String> methods(Path file) throws IOException {
        return METHOD.matcher(Files.readString(file)).results().map(it -> it.group(1)).toList();
    }

    private static List<String> methodsOf(String type) throws IOException {
        for (Path file : tests()) {
            if (file.endsWith(type + ".java")) {
                return methods(file);
            }
        }
        return List.of();
    }
}
