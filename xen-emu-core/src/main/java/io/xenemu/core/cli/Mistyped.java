package io.xenemu.core.cli;

import java.util.Collection;
import java.util.List;

/// Suggests words for a mistyped one. Picocli's own suggestions miss short words such as `lsit`.
final class Mistyped {
    /// The most keys that may be wrong.
    private static final int MAX_DISTANCE = 2;

    private Mistyped() {}

    /// The words that differ from a given one by two keys at most, and by less than half of it.
    static List<String> similar(String given, Collection<String> words) {
        int limit = Math.min(MAX_DISTANCE, (given.length() - 1) / 2);
        return words.stream().filter(word -> distance(given, word) <= limit).sorted().toList();
    }

    /// The number of keys that are missing, surplus, wrong, or exchanged with the next one (the restricted
    /// Damerau-Levenshtein distance).
    static int distance(String a, String b) {
        int[][] edits = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                edits[i][j] = i == 0 || j == 0 ? i + j : next(edits, a, b, i, j);
            }
        }
        return edits[a.length()][b.length()];
    }

    private static int next(int[][] edits, String a, String b, int i, int j) {
        boolean same = a.charAt(i - 1) == b.charAt(j - 1);
        int least =
                Math.min(
                        Math.min(edits[i - 1][j], edits[i][j - 1]) + 1,
                        edits[i - 1][j - 1] + (same ? 0 : 1));
        boolean exchanged =
                i > 1
                        && j > 1
                        && a.charAt(i - 1) == b.charAt(j - 2)
                        && a.charAt(i - 2) == b.charAt(j - 1);
        return exchanged ? Math.min(least, edits[i - 2][j - 2] + 1) : least;
    }
}
