package io.xenemu.core.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Everything that documents and package maps name exists.
final class DocumentsTest {
    /// The most bytes of the README: nobody reads more before the first command.
    private static final int README_BYTES = 8 << 10;

    /// Columns of a line of a doc comment, which the formatter does not wrap. Rows of tables may be longer.
    private static final int COLUMNS = 120;

    private static final Pattern DOC = Pattern.compile("\\s*/// (?!\\|)");

    private static final String INFO = "package-info.java";

    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#\\s:]*)(?:#([^)\\s]+))?\\)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ (.*)$");
    private static final Pattern CODE = Pattern.compile("`([^`\\n]+)`");

    /// A type's name of several words.
    private static final Pattern TYPE =
            Pattern.compile("(?<![\\w*])([A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+)\\b");

    /// A file or folder of the checkout. What the build makes below `target` may be there or not.
    private static final Pattern FILE =
            Pattern.compile(
                    "(?<![\\w/.-])(?:\\.ci|\\.github|integration-tests|kvm-bindings|xen-[a-z-]+)/(?!target/)[\\w./-]+\\w");

    private static final Pattern NAMED = Pattern.compile("\\[([A-Z]\\w*)(?:#\\w+)?\\]");

    /// A type's method, field or constant.
    private static final Pattern MEMBER = Pattern.compile("\\b([A-Z]\\w+)\\.(?!java)(\\w+)");

    /// One test of Maven's, given by a class without a pattern, and perhaps a method.
    private static final Pattern RUN = Pattern.compile("test='?([A-Z]\\w+)(?![\\w*])(?:#(\\w+))?");

    private static final Pattern VARIABLE = Pattern.compile("XEN_EMU_[A-Z_]+");

    private static final String LAUNCHER = "xen-emu-core/bin/xen-emu";

    /// Names of other programs' settings that look like types of ours.
    private static final Set<String> NOT_OURS =
            Set.of(
                    "StandardInput",
                    "TimeoutStopSec",
                    "ReadWritePaths",
                    "CapabilityBoundingSet",
                    "AmbientCapabilities",
                    "InlineSmallCode");

    private static List<Path> javaFiles(String part) throws IOException {
        try (Stream<Path> files = Files.walk(Document.CHECKOUT)) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .filter(file -> file.toString().contains(part))
                    .filter(file -> !file.toString().contains("/target/"))
                    .toList();
        }
    }

    private static boolean declares(@Nullable Path type, String member) throws IOException {
        return type != null
                && Pattern.compile("\\b" + member + "\\b").matcher(Files.readString(type)).find();
    }

    private static String typeOf(Path file) {
        return file.getFileName().toString().replace(".java", "");
    }

    private static Stream<String> found(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(match -> match.group(1));
    }

    /// The anchor that GitHub makes of a heading.
    private static String anchor(String heading) {
        return heading.toLowerCase(Locale.ROOT).replaceAll("[^\\w -]", "").replace(' ', '-');
    }

    private static boolean leadsSomewhere(Document from, MatchResult link) throws IOException {
        Path folder = Document.CHECKOUT.resolve(from.path()).resolveSibling("");
        Path to =
                link.group(1).isEmpty()
                        ? Document.CHECKOUT.resolve(from.path())
                        : folder.resolve(link.group(1)).normalize();
        if (link.group(2) == null || !Files.isRegularFile(to)) {
            return Files.exists(to);
        }
        return found(HEADING, Files.readString(to))
                .map(DocumentsTest::anchor)
                .anyMatch(link.group(2)::equals);
    }

    @Test
    void readmeStaysShort() throws IOException {
        assertTrue(Files.size(Document.CHECKOUT.resolve("README.md")) <= README_BYTES);
    }

    @Test
    void linesOfDocCommentsFitTheScreen() throws IOException {
        for (Path file : javaFiles("/src/")) {
            int number = 0;
            for (String line : Files.readAllLines(file)) {
                number++;
                boolean tooLong = line.length() > COLUMNS && DOC.matcher(line).lookingAt();
                assertFalse(tooLong, file + ":" + number);
            }
        }
    }

    @Test
    void linksHaveTargets() throws IOException {
        for (Document page : Document.all()) {
            for (MatchResult link : LINK.matcher(page.text()).results().toList()) {
                assertTrue(leadsSomewhere(page, link), page.path() + ": " + link.group());
            }
        }
    }

    @Test
    void readmeLeadsToEveryPage() throws IOException {
        Set<String> linked =
                LINK.matcher(Document.read("README.md").text())
                        .results()
                        .map(link -> link.group(1))
                        .collect(Collectors.toSet());
        for (Document page : Document.all()) {
            String path = page.path().toString();
            assertTrue(path.equals("README.md") || linked.contains(path), path);
        }
    }

    @Test
    void typesThatPagesNameExist() throws IOException {
        Set<String> types = new HashSet<>(NOT_OURS);
        javaFiles("/src/").forEach(file -> types.add(typeOf(file)));
        for (Document page : Document.all()) {
            found(CODE, page.text())
                    .flatMap(code -> TYPE.matcher(code).results())
                    .map(match -> match.group(1))
                    .forEach(type -> assertTrue(types.contains(type), page.path() + ": " + type));
        }
    }

    @Test
    void filesThatPagesNameExist() throws IOException {
        for (Document page : Document.all()) {
            for (MatchResult file : FILE.matcher(page.text()).results().toList()) {
                assertTrue(
                        Files.exists(Document.CHECKOUT.resolve(file.group()))
                                || Files.exists(
                                        Document.CHECKOUT
                                                .resolve(page.path())
                                                .resolveSibling(file.group())),
                        page.path() + ": " + file.group());
            }
        }
    }

    @Test
    void membersThatPagesNameExist() throws IOException {
        Map<String, Path> files = new HashMap<>();
        javaFiles("/src/").forEach(file -> files.put(typeOf(file), file));
        for (Document page : Document.all()) {
            List<MatchResult> members =
                    found(CODE, page.text())
                            .flatMap(code -> MEMBER.matcher(code).results())
                            .filter(member -> files.containsKey(member.group(1)))
                            .toList();
            for (MatchResult member : members) {
                assertTrue(
                        declares(files.get(member.group(1)), member.group(2)),
                        page.path() + ": " + member.group());
            }
        }
    }

    @Test
    void testsThatPagesRunExist() throws IOException {
        Map<String, Path> tests = new HashMap<>();
        javaFiles("/src/test/").forEach(file -> tests.put(typeOf(file), file));
        for (Document page : Document.all()) {
            for (MatchResult run : RUN.matcher(page.text()).results().toList()) {
                Path test = tests.get(run.group(1));
                assertTrue(
                        test != null && (run.group(2) == null || declares(test, run.group(2))),
                        page.path() + ": " + run.group());
            }
        }
    }

    @Test
    void variablesThatPagesNameAreRead() throws IOException {
        StringBuilder sources = new StringBuilder();
        for (Path file : javaFiles("/src/")) {
            sources.append(Files.readString(file));
        }
        sources.append(Files.readString(Document.CHECKOUT.resolve(LAUNCHER)));
        for (Document page : Document.all()) {
            for (MatchResult variable : VARIABLE.matcher(page.text()).results().toList()) {
                assertTrue(
                        sources.indexOf(variable.group()) >= 0,
                        page.path() + ": " + variable.group());
            }
        }
    }

    @Test
    void packagesHaveMapsOfTheirFiles() throws IOException {
        Map<Path, Set<String>> packages = new TreeMap<>();
        for (Path file : javaFiles("/src/main/java/")) {
            if (!file.endsWith(INFO) && !file.endsWith("module-info.java")) {
                packages.computeIfAbsent(file.resolveSibling(INFO), _ -> new TreeSet<>())
                        .add(typeOf(file));
            }
        }
        for (Map.Entry<Path, Set<String>> entry : packages.entrySet()) {
            String map = Files.readString(entry.getKey());

            assertEquals(
                    entry.getValue(),
                    found(NAMED, map).collect(Collectors.toCollection(TreeSet::new)),
                    entry.getKey().toString());
        }
    }
}
