package io.xenemu.core.backend.engine;

import io.xenemu.core.backend.engine.EngineMap.Entry;
import java.util.Comparator;

/// The name of an engine, such as `block:0`. Instances of a class need not be consecutive.
///
/// @param type its class
/// @param instance 0 to [#MAX_INSTANCE]
public record EngineId(EngineClass type, int instance) implements Entry, Comparable<EngineId> {
    /// The highest instance: 65535 marks a gap in [EngineMapLayout].
    public static final int MAX_INSTANCE = 0xfffe;

    private static final Comparator<EngineId> ORDER =
            Comparator.comparing(EngineId::type).thenComparingInt(EngineId::instance);

    /// @throws IllegalArgumentException if no engine can have the instance
    public EngineId {
        if (instance < 0 || instance > MAX_INSTANCE) {
            throw new IllegalArgumentException(
                    "%d is not an instance from 0 to %d".formatted(instance, MAX_INSTANCE));
        }
    }

    /// Reads `CLASS:INSTANCE`.
    ///
    /// @throws IllegalArgumentException if the text has another form; the message begins with the text in quotes
    public static EngineId parse(String text) {
        int colon = text.indexOf(':');
        EngineClass type = colon < 0 ? null : EngineClass.labelled(text.substring(0, colon));
        String digits = text.substring(colon + 1);
        // Five digits are more than any instance has.
        if (type == null || !digits.matches("[0-9]{1,5}")) {
            throw new IllegalArgumentException(
                    "'" + text + "' is not an engine such as block:0, net:1, 9p:0 or store:0");
        }
        int instance = Integer.parseInt(digits);
        if (instance > MAX_INSTANCE) {
            throw new IllegalArgumentException(
                    "'" + text + "' has an instance beyond " + MAX_INSTANCE);
        }
        return new EngineId(type, instance);
    }

    /// The order of classes, and of instances within each.
    @Override
    public int compareTo(EngineId other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return type.label() + ":" + instance;
    }
}
