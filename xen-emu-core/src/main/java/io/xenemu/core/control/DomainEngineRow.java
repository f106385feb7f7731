package io.xenemu.core.control;

import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineClass;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// An index of a class in a domain's map of engines, as `engines-list` shows it.
///
/// @param type the class
/// @param index from 0
/// @param engine its entry: an engine, `-` for a gap, or empty behind the last one
/// @param offered whether a device offers the guest a queue of this number
/// @param queues of the domain's devices with this number, each with its engine if that is another one
record DomainEngineRow(
        EngineClass type, int index, String engine, boolean offered, List<String> queues) {
    private static final String HEADER = "Class  Index  Engine       Offered  Queues";

    DomainEngineRow {
        queues = List.copyOf(queues);
    }

    /// The rows of all classes.
    static List<DomainEngineRow> of(DomainEngines own) {
        List<DomainEngines.Served> served = own.served();
        List<DomainEngineRow> rows = new ArrayList<>();
        for (EngineClass type : EngineClass.values()) {
            List<? extends EngineMap.Entry> row = own.row(type);
            int offered = own.offered(type);
            int indices =
                    served.stream()
                            .filter(queue -> queue.type() == type)
                            .mapToInt(queue -> queue.index() + 1)
                            .reduce(row.size(), Math::max);
            for (int i = 0; i < indices; i++) {
                String engine = i < row.size() ? row.get(i).toString() : "";
                rows.add(
                        new DomainEngineRow(
                                type, i, engine, i < offered, queues(served, type, i, engine)));
            }
        }
        return rows;
    }

    private static List<String> queues(
            List<DomainEngines.Served> served, EngineClass type, int index, String engine) {
        return served.stream()
                .filter(queue -> queue.type() == type && queue.index() == index)
                .map(queue ->
                        queue.engine().toString().equals(engine)
                                ? queue.device()
                                : queue.device() + " on " + queue.engine())
                .toList();
    }

    /// The map, the header and all rows.
    static List<String> table(EngineMap map, List<DomainEngineRow> rows) {
        return Stream.concat(
                        Stream.of("Map: " + map, HEADER), rows.stream().map(DomainEngineRow::line))
                .toList();
    }

    private String line() {
        return String.format(
                        Locale.ROOT,
                        "%-6s %5d  %-12s %-8s %s",
                        type.label(),
                        index,
                        engine,
                        offered ? "yes" : "no",
                        String.join(", ", queues))
                .stripTrailing();
    }

    /// The row for programs.
    Json.Obj json() {
        return Json.EMPTY
                .with("class", type.label())
                .with("index", index)
                .with("engine", engine)
                .with("offered", new Json.Bool(offered))
                .with("queues", Json.texts(queues));
    }
}
