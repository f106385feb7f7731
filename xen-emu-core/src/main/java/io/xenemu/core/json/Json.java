package io.xenemu.core.json;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A JSON value, as far as the control protocol needs it: numbers are whole, and no object has a member twice.
///
/// We use no library. At the start of a client command, loading one takes longer than the command itself. Libraries
/// also accept more than a protocol should. [JsonReader] and [JsonWriter] are 200 lines.
public sealed interface Json {
    /// A string.
    record Text(String value) implements Json {}

    /// A whole number.
    record Int(long value) implements Json {}

    /// True or false.
    record Bool(boolean value) implements Json {}

    /// Nothing.
    record Null() implements Json {}

    /// A list.
    record Array(List<Json> values) implements Json {
        public Array {
            values = List.copyOf(values);
        }
    }

    /// Members by name, in order.
    record Obj(Map<String, Json> members) implements Json {
        public Obj {
            members = Collections.unmodifiableMap(new LinkedHashMap<>(members));
        }

        /// This object with one more member, or another value for it.
        public Obj with(String name, Json value) {
            Map<String, Json> more = new LinkedHashMap<>(members);
            more.put(name, value);
            return new Obj(more);
        }

        /// This object with one more string.
        public Obj with(String name, String value) {
            return with(name, new Text(value));
        }

        /// This object with one more number.
        public Obj with(String name, long value) {
            return with(name, new Int(value));
        }

        /// A member, or null.
        public @Nullable Json find(String name) {
            return members.get(name);
        }

        /// A member that is a string; null if there is none.
        public @Nullable String text(String name) {
            return members.get(name) instanceof Text(var value) ? value : null;
        }
    }

    /// An object without members.
    Obj EMPTY = new Obj(Map.of());

    /// A list of strings.
    static Array texts(List<String> values) {
        return new Array(values.stream().<Json>map(Text::new).toList());
    }
}
