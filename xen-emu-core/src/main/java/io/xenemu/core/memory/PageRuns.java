package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/// A set of pages of RAM, as runs of words that are not zero: bits by page number, 64 in each word. It is small for a
/// guest that has given up large parts of its memory, whatever the guest's size.
///
/// @param runs in ascending order, without overlaps
public record PageRuns(List<Run> runs) {
    /// The most words of any domain: the pages of `GuestMemoryMap.MAX_BYTES`.
    public static final int MAX_WORDS = 1 << 24;

    /// The most words that are written out: all pages of 1 TiB. With [#MAX_RUNS] they fit into a frame of saved state.
    public static final int MAX_WRITTEN = 1 << 22;

    /// The most runs: there are fewer in 1 TiB.
    public static final int MAX_RUNS = 1 << 21;

    /// No pages.
    public static final PageRuns NONE = new PageRuns(List.of());

    /// As many words with all pages are a run of their own.
    private static final int FULL_WORDS = 4;

    private static final long FULL = -1;

    /// A run of words.
    ///
    /// @param from number of its first word
    /// @param count of its words, 1 or more
    /// @param words the words; empty if they have all pages
    public record Run(int from, int count, ImmutableLongArray words) {
        /// @throws IllegalArgumentException if it is not within [#MAX_WORDS], or has another number of words
        public Run {
            if (from < 0 || count < 1 || count > MAX_WORDS - from) {
                throw new IllegalArgumentException("words %d and %d more".formatted(from, count));
            }
            if (!words.isEmpty() && words.length() != count) {
                throw new IllegalArgumentException(
                        "%d words in place of %d".formatted(words.length(), count));
            }
        }

        /// Whether it has all pages of its words.
        public boolean isFull() {
            return words.isEmpty();
        }

        /// The number of the word after it.
        int end() {
            return from + count;
        }
    }

    /// @throws IllegalArgumentException if the runs are in another order, or overlap
    public PageRuns {
        runs = List.copyOf(runs);
        int end = 0;
        for (Run run : runs) {
            if (run.from() < end) {
                throw new IllegalArgumentException("a run of pages before another one's end");
            }
            end = run.end();
        }
    }

    /// The pages of a set.
    static PageRuns of(BitSet pages) {
        return of(ImmutableLongArray.copyOf(pages.toLongArray()));
    }

    /// The pages of words from number 0 on.
    public static PageRuns of(ImmutableLongArray words) {
        List<Run> runs = new ArrayList<>();
        int at = 0;
        while (at < words.length()) {
            int full = fullFrom(words, at);
            if (full >= FULL_WORDS) {
                runs.add(new Run(at, full, ImmutableLongArray.of()));
                at += full;
            } else if (words.get(at) == 0) {
                at++;
            } else {
                int end = writtenUntil(words, at);
                runs.add(new Run(at, end - at, words.subArray(at, end).trimmed()));
                at = end;
            }
        }
        return new PageRuns(runs);
    }

    /// The number of words with all pages from one on.
    private static int fullFrom(ImmutableLongArray words, int from) {
        int end = from;
        while (end < words.length() && words.get(end) == FULL) {
            end++;
        }
        return end - from;
    }

    /// The end of a run that is written out: before a zero word, or a run of its own with all pages.
    private static int writtenUntil(ImmutableLongArray words, int from) {
        int end = from;
        while (end < words.length() && words.get(end) != 0) {
            int full = fullFrom(words, end);
            if (full >= FULL_WORDS) {
                return end;
            }
            end += Math.max(1, full);
        }
        return end;
    }

    /// The number after the highest page.
    public long length() {
        if (runs.isEmpty()) {
            return 0;
        }
        Run last = runs.getLast();
        long top = last.isFull() ? FULL : last.words().get(last.count() - 1);
        return (long) last.end() * Long.SIZE - Long.numberOfLeadingZeros(top);
    }

    /// Whether a frame of saved state has room for them.
    public boolean fits() {
        long written = runs.stream().mapToLong(run -> run.words().length()).sum();
        return runs.size() <= MAX_RUNS && written <= MAX_WRITTEN;
    }

    /// Adds them to a set.
    void addTo(BitSet pages) {
        for (Run run : runs) {
            int first = run.from() * Long.SIZE;
            if (run.isFull()) {
                pages.set(first, first + run.count() * Long.SIZE);
                continue;
            }
            for (int i = 0; i < run.count(); i++) {
                for (long left = run.words().get(i); left != 0; left &= left - 1) {
                    pages.set(first + i * Long.SIZE + Long.numberOfTrailingZeros(left));
                }
            }
        }
    }
}
