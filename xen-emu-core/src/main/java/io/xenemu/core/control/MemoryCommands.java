package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.guest.MemorySize;
import io.xenemu.core.toolstack.Refused;
import java.util.List;

/// xl's verbs for the memory of guests.
final class MemoryCommands {
    private static final String DOMAIN = "domain";
    private static final String SIZE = "size";

    static final List<Verb> VERBS =
            List.of(
                    Verb.changes(
                            "mem-set",
                            "Ask a guest by XenStore to have so much memory, up to its maximum. list"
                                    + " shows how much it has.",
                            setting((service, domain, bytes) ->
                                    service.memory().setTarget(domain, bytes)),
                            one(DOMAIN),
                            one(SIZE)),
                    Verb.changes(
                            "mem-max",
                            "Set the most memory that a guest may be asked to have, up to its maxmem.",
                            setting((service, domain, bytes) ->
                                    service.memory().setMax(domain, bytes)),
                            one(DOMAIN),
                            one(SIZE)));

    private MemoryCommands() {}

    private interface Setting {
        void carryOut(OperatedService service, Domain domain, long bytes) throws Refused;
    }

    private static Verb.Handler setting(Setting setting) {
        return (service, call) -> {
            long bytes = size(call.one(SIZE));
            setting.carryOut(service, service.named().named(call.one(DOMAIN)), bytes);
            return ControlReply.done();
        };
    }

    private static long size(String text) throws Refused {
        try {
            return MemorySize.parse(text).bytes();
        } catch (IllegalArgumentException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }
}
