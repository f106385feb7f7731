package io.xenemu.core.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/// A Markdown page of this project.
///
/// @param path its file, relative to the checkout
/// @param text its contents
public record Document(Path path, String text) {
    /// The checkout: tests run in the folder of their module.
    static final Path CHECKOUT = Path.of("").toAbsolutePath().resolveSibling("");

    /// Folders of the checkout that have documents, besides the checkout itself.
    private static final List<String> FOLDERS =
            List.of(".github", "xen-emu-core/docs", "xen-xenstore/docs", "integration-tests/docs");

    /// Reads a page.
    ///
    /// @param path relative to the checkout
    public static Document read(String path) throws IOException {
        return new Document(Path.of(path), Files.readString(CHECKOUT.resolve(path)));
    }

    /// Every page.
    static List<Document> all() throws IOException {
        List<Document> pages = new ArrayList<>(List.of(read("README.md")));
        for (String folder : FOLDERS) {
            try (Stream<Path> files = Files.list(CHECKOUT.resolve(folder))) {
                for (Path file : files.sorted().toList()) {
                    pages.add(read(folder + "/" + file.getFileName()));
                }
            }
        }
        return pages;
    }

    /// The cells of the table between `<!-- name -->` and `<!-- /name -->`, without its head. Backticks are left out.
    ///
    /// @param columns the number of cells of each row
    /// @throws IllegalStateException if there is no such table
    public List<List<String>> table(String name, int columns) {
        int start = text.indexOf("<!-- " + name + " -->");
        int end = text.indexOf("<!-- /" + name + " -->");
        if (start < 0 || end < start) {
            throw new IllegalStateException(path + " has no table " + name);
        }
        List<List<String>> rows =
                text.substring(start, end)
                        .lines()
                        .filter(line -> line.startsWith("|"))
                        .skip(2)
                        .map(Document::cells)
                        .toList();
        for (List<String> row : rows) {
            if (row.size() != columns) {
                throw new IllegalStateException(path + ": not of " + columns + " columns: " + row);
            }
        }
        return rows;
    }

    private static List<String> cells(String line) {
        String[] parts = line.replace("`", "").split("\\|", -1);
        return Arrays.stream(parts, 1, parts.length - 1).map(String::strip).toList();
    }
}
