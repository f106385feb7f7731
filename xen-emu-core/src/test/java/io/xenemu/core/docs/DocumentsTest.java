package io.xenemu.core.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What documents and package maps name exists.
final class DocumentsTest {
    /// More than this nobody reads before the first command.
    private static final int README_BYTES = 8 << 10;

    /// Packages of at least so many files have a map of all of them.
    private static final int MAPPED_FILES = 10;

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

    /// Names of other programs' settings that look like types of ours.
    private static final Set<String> NOT_OURS =
            Set.of("StandardInput", "TimeoutStopSec", "InlineSmallCode");

    private static List<Path> javaFiles(String part) throws IOException {
        try (Stream<Path> files = Files.walk(Document.CHECKOUT)) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .filter(file -> file.toString().contains(part))
                    .filter(file -> !file.toString().contains("/target/"))
                    .toList();
        }
    }

    private static String typeOf(Path file) {
        return file.getFileName().toString().replace(".java", "");
    }

    private static Stream<String> found(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(match -> match.group(1));
    }

    /// As GitHub makes it of a heading.
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
    void linksLeadSomewhere() throws IOException {
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
    void packageMapsNameTheFilesThatThereAre() throws IOException {
        for (Path info : javaFiles("/src/main/java/")) {
            if (!info.endsWith(INFO)) {
                continue;
            }
            Set<String> files = new TreeSet<>();
            try (Stream<Path> all = Files.list(info.resolveSibling(""))) {
                all.filter(file -> file.toString().endsWith(".java") && !file.endsWith(INFO))
                        .forEach(file -> files.add(typeOf(file)));
            }
            Set<String> named = new TreeSet<>(found(NAMED, Files.readString(info)).toList());
            assertTrue(files.containsAll(named), info + " names what is not there: " + named);
            if (files.size() >= MAPPED_FILES) {
                files.removeAll(named);
                assertEquals(Set.of(), files, info + ": a family has to name them");
            }
        }
    }
}
