package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;

import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.Engine;
import io.xenemu.core.backend.engine.EngineClass;
import io.xenemu.core.backend.engine.EngineId;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineMapLayout;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// Verbs for the engines that serve devices, and for each domain's map of them.
final class EngineCommands {
    private static final String DOMAIN = "domain";
    private static final String MAP = "map";

    /// The beginning of the name of a guest whose map is to be taken over.
    private static final String LIKE = "like:";

    /// The beginning of a map in its binary form.
    private static final String HEX = "hex:";

    /// The time over which `engines` looks at the use of each engine: long enough for a figure of two digits.
    private static final long SAMPLE_MILLIS = 250;

    static final List<Verb> VERBS =
            List.of(
                    Verb.reads(
                            "engines",
                            "List the engines that serve devices: their CPUs, the queues that each"
                                    + " serves, the time that it has worked, and its use in the last"
                                    + " quarter of a second.",
                            EngineCommands::engines),
                    Verb.reads(
                            "engines-list",
                            "List the engines of a guest by class and index, and the queues of its"
                                    + " devices on them. Queues behind a gap are not offered to it.",
                            EngineCommands::list,
                            one(DOMAIN)),
                    Verb.changes(
                            "engines-set",
                            "Set the engines of a guest: CLASS:INSTANCE or - for a gap, with commas;"
                                    + " default: all of each class; like:DOMAIN: as those of another"
                                    + " guest. Queue N of a device runs on entry N of its class.",
                            EngineCommands::set,
                            one(DOMAIN),
                            one(MAP)));

    private EngineCommands() {}

    private static ControlReply engines(OperatedService service, VerbCall call)
            throws InterruptedException {
        List<Engine> all = service.engines().all();
        List<Long> before = all.stream().map(Engine::busyNanos).toList();
        long start = System.nanoTime();
        Thread.sleep(SAMPLE_MILLIS);
        long elapsed = Math.max(1, System.nanoTime() - start);
        List<EngineRow> rows = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            rows.add(EngineRow.of(all.get(i), before.get(i), elapsed));
        }
        return ControlReply.rows(EngineRow.table(rows))
                .with("engines", new Json.Array(rows.stream().<Json>map(EngineRow::json).toList()));
    }

    private static DomainEngines of(OperatedService service, String name) throws Refused {
        Domain domain = service.named().named(name);
        DomainEngines own = service.engines().find(domain.id());
        if (own == null) {
            throw new Refused(domain.config().name() + " is ending");
        }
        return own;
    }

    private static ControlReply list(OperatedService service, VerbCall call) throws Refused {
        DomainEngines own = of(service, call.one(DOMAIN));
        List<DomainEngineRow> rows = DomainEngineRow.of(own);
        Json.Obj offered = Json.EMPTY;
        for (EngineClass type : EngineClass.values()) {
            offered = offered.with(type.label(), own.offered(type));
        }
        EngineMap map = own.map();
        return ControlReply.rows(DomainEngineRow.table(map, rows))
                .with("map", new Json.Text(map.toString()))
                .with("hex", new Json.Text(HexFormat.of().formatHex(EngineMapLayout.bytes(map))))
                .with("offered", offered)
                .with(
                        "entries",
                        new Json.Array(rows.stream().<Json>map(DomainEngineRow::json).toList()));
    }

    private static ControlReply set(OperatedService service, VerbCall call) throws Refused {
        DomainEngines own = of(service, call.one(DOMAIN));
        String text = call.one(MAP);
        if (text.startsWith(LIKE)) {
            own.copyFrom(of(service, text.substring(LIKE.length())));
            return ControlReply.done();
        }
        try {
            EngineMap map = map(text);
            Optional<EngineId> missing = service.engines().missing(map);
            if (missing.isPresent()) {
                throw new Refused("ENOENT: the service has no engine %s".formatted(missing.get()));
            }
            own.set(map);
        } catch (XenError e) {
            throw new Refused(e.symbol() + ": '" + text + "' is not a map of engines");
        }
        return ControlReply.done();
    }

    private static EngineMap map(String text) throws Refused, XenError {
        try {
            return text.startsWith(HEX)
                    ? EngineMapLayout.map(HexFormat.of().parseHex(text.substring(HEX.length())))
                    : EngineMap.parse(text);
        } catch (IllegalArgumentException e) {
            throw new Refused("EINVAL: " + e.getMessage());
        }
    }
}
