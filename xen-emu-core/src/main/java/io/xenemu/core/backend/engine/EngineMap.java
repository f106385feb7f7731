package io.xenemu.core.backend.engine;

import com.google.common.base.Splitter;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// A domain's own map of engines: an ordered list of engines and gaps, in which an engine may stand several times.
/// Queue N of a device is served by entry N of the device's class, counted from 0.
///
/// A gap is an index that cannot be used. It belongs to the class of the engine before it, or, if there is none, to
/// that of the first engine after it. Gaps without any engine belong to every class. So `block:0,-,block:1,net:0` has
/// the entries `block:0`, gap, `block:1` for disks, and `net:0` for network interfaces.
///
/// A class without entries has the default: all engines of the service of that class, in order. The empty map is the
/// default for every class.
///
/// The idea is that of i915's `I915_CONTEXT_PARAM_ENGINES` (Linux include/uapi/drm/i915_drm.h), where one map serves
/// all classes.
///
/// @param entries in order; none for the default
public record EngineMap(List<Entry> entries) {
    /// The default for every class.
    public static final EngineMap DEFAULT = new EngineMap(List.of());

    /// The most entries: 64 for each class, four times the queues that any front end of Linux uses by itself.
    public static final int MAX_ENTRIES = 256;

    private static final String DEFAULT_TEXT = "default";
    private static final String GAP_TEXT = "-";
    private static final String SEPARATOR = ",";

    /// One index of the map.
    public sealed interface Entry permits EngineId, Gap {}

    /// An index that cannot be used.
    public enum Gap implements Entry {
        /// The only one.
        GAP;

        @Override
        public String toString() {
            return GAP_TEXT;
        }
    }

    /// @throws IllegalArgumentException if there are more than [#MAX_ENTRIES]
    public EngineMap {
        entries = List.copyOf(entries);
        if (entries.size() > MAX_ENTRIES) {
            throw new IllegalArgumentException(
                    "%d engines are more than %d".formatted(entries.size(), MAX_ENTRIES));
        }
    }

    /// Reads engines and gaps with commas between, such as `block:0,-,block:1,net:0`, or `default`. The empty text is
    /// the default too.
    ///
    /// @throws IllegalArgumentException if the text has another form; the message says where
    public static EngineMap parse(String text) {
        if (text.isEmpty() || text.equals(DEFAULT_TEXT)) {
            return DEFAULT;
        }
        List<Entry> entries = new ArrayList<>();
        for (String entry : Splitter.on(SEPARATOR).split(text)) {
            entries.add(entry.equals(GAP_TEXT) ? Gap.GAP : EngineId.parse(entry));
        }
        return new EngineMap(entries);
    }

    /// Whether it is the default for every class.
    public boolean isDefault() {
        return entries.isEmpty();
    }

    /// The engines in it, each once.
    public Set<EngineId> engines() {
        Set<EngineId> engines = new TreeSet<>();
        for (Entry entry : entries) {
            if (entry instanceof EngineId engine) {
                engines.add(engine);
            }
        }
        return engines;
    }

    /// The entries of a class, gaps among them; none if the class has the default.
    public List<Entry> of(EngineClass type) {
        List<Entry> row = new ArrayList<>();
        EngineClass last = first(type);
        for (Entry entry : entries) {
            if (entry instanceof EngineId engine) {
                last = engine.type();
            }
            if (last == type) {
                row.add(entry);
            }
        }
        return row;
    }

    /// The class of gaps at the beginning.
    ///
    /// @param otherwise if there are only gaps
    private EngineClass first(EngineClass otherwise) {
        for (Entry entry : entries) {
            if (entry instanceof EngineId engine) {
                return engine.type();
            }
        }
        return otherwise;
    }

    /// The text that [#parse] reads.
    @Override
    public String toString() {
        return isDefault()
                ? DEFAULT_TEXT
                : entries.stream().map(Object::toString).collect(Collectors.joining(SEPARATOR));
    }
}
