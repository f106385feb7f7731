package io.xenemu.core.control;

import com.google.errorprone.annotations.FormatMethod;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/// The rows that debug keys print, up to [#MAX]: a guest decides how many there could be. Not thread-safe.
final class DebugRows {
    /// The most rows of one request: four domains with [DomainDebug#MAX_ROWS] each, about a megabyte.
    static final int MAX = 4 * DomainDebug.MAX_ROWS;

    private final List<String> rows = new ArrayList<>();

    /// Whether no further row is shown.
    boolean isFull() {
        return rows.size() > MAX;
    }

    /// Adds a row. The first one too many is replaced by a row that says so.
    void add(String row) {
        if (rows.size() < MAX) {
            rows.add(row);
        } else if (!isFull()) {
            rows.add("more than " + MAX + " rows: the rest is not shown");
        }
    }

    /// Adds a row by [String#format].
    @FormatMethod
    void add(String format, Object... arguments) {
        add(String.format(Locale.ROOT, format, arguments));
    }

    /// All rows.
    List<String> all() {
        return Collections.unmodifiableList(rows);
    }
}
