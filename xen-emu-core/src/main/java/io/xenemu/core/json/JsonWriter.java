package io.xenemu.core.json;

import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// Writes [Json] as one line, without its end. Control characters within strings are escaped, also those of C1, so that
/// a log or a terminal may show the line.
public final class JsonWriter {
    private final StringBuilder out = new StringBuilder();

    private JsonWriter() {}

    /// The line. Every line break within a string is escaped.
    public static String line(Json value) {
        JsonWriter writer = new JsonWriter();
        writer.value(value);
        return writer.out.toString();
    }

    /// Writes a value. Does not use a switch by type: the JVM would make a class for it at run time, and every command
    /// would wait for that.
    private void value(Json value) {
        if (value instanceof Json.Text(var text)) {
            string(text);
        } else if (value instanceof Json.Int(var number)) {
            out.append(number);
        } else if (value instanceof Json.Bool(var truth)) {
            out.append(truth);
        } else if (value instanceof Json.Null) {
            out.append("null");
        } else if (value instanceof Json.Array(var values)) {
            array(values);
        } else {
            object(((Json.Obj) value).members());
        }
    }

    private void array(List<Json> values) {
        out.append('[');
        Iterator<Json> all = values.iterator();
        while (all.hasNext()) {
            value(all.next());
            separate(all);
        }
        out.append(']');
    }

    private void object(Map<String, Json> members) {
        out.append('{');
        Iterator<Map.Entry<String, Json>> all = members.entrySet().iterator();
        while (all.hasNext()) {
            Map.Entry<String, Json> member = all.next();
            string(member.getKey());
            out.append(": ");
            value(member.getValue());
            separate(all);
        }
        out.append('}');
    }

    private void separate(Iterator<?> more) {
        if (more.hasNext()) {
            out.append(", ");
        }
    }

    private void string(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\t' -> out.append("\\t");
                default -> {
                    if (Character.isISOControl(c)) {
                        out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
