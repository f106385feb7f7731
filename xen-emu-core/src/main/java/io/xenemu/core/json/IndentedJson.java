package io.xenemu.core.json;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Writes [Json] over several lines, a member on each, as libxl does: four columns deeper at each level.
public final class IndentedJson {
    private static final String STEP = "    ";

    private IndentedJson() {}

    /// The lines.
    public static List<String> lines(Json value) {
        List<String> lines = new ArrayList<>();
        add(lines, "", "", value, "");
        return lines;
    }

    private static void add(
            List<String> lines, String indent, String name, Json value, String end) {
        switch (value) {
            case Json.Array(List<Json> values) when !values.isEmpty() -> {
                lines.add(indent + name + "[");
                for (int i = 0; i < values.size(); i++) {
                    add(lines, indent + STEP, "", values.get(i), comma(i, values.size()));
                }
                lines.add(indent + "]" + end);
            }
            case Json.Obj(Map<String, Json> members) when !members.isEmpty() -> {
                lines.add(indent + name + "{");
                int i = 0;
                for (Map.Entry<String, Json> member : members.entrySet()) {
                    String key = JsonWriter.line(new Json.Text(member.getKey())) + ": ";
                    add(lines, indent + STEP, key, member.getValue(), comma(i, members.size()));
                    i++;
                }
                lines.add(indent + "}" + end);
            }
            case Json.Array _, Json.Obj _, Json.Text _, Json.Int _, Json.Bool _, Json.Null _ ->
                    lines.add(indent + name + JsonWriter.line(value) + end);
        }
    }

    private static String comma(int index, int size) {
        return index + 1 < size ? "," : "";
    }
}
