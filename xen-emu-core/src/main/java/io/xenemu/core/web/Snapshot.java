package io.xenemu.core.web;

import io.xenemu.core.json.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What the page shows at one moment: values by name, such as `domain/3`.
///
/// @param values in any order
record Snapshot(Json.Obj values) {
    static final Snapshot EMPTY = new Snapshot(Json.EMPTY);

    /// What somebody has to be told who knows an earlier one: new and changed values, and the names of those that are
    /// no more.
    Json.Obj since(Snapshot earlier) {
        Map<String, Json> set = new LinkedHashMap<>();
        values.members()
                .forEach((name, value) -> {
                    if (!value.equals(earlier.values.find(name))) {
                        set.put(name, value);
                    }
                });
        List<String> gone = new ArrayList<>(earlier.values.members().keySet());
        gone.removeAll(values.members().keySet());
        Json.Obj change = Json.EMPTY.with("set", new Json.Obj(set));
        return gone.isEmpty() ? change : change.with("gone", Json.texts(gone));
    }
}
