package io.xenemu.core.web;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The commands that an operator may give by the page. Each is for a domain that is named by its id and its name, so
/// that a command does not hit another guest that has got the id or the name meanwhile.
final class Actions {
    private static final Set<String> VERBS =
            Set.of("pause", "unpause", "shutdown", "reboot", "destroy");

    private static final Logger log = LoggerFactory.getLogger(Actions.class);

    private final Watched service;
    private final ActionLog actions;
    private final InstantSource clock;

    Actions(Watched service, ActionLog actions, InstantSource clock) {
        this.service = service;
        this.actions = actions;
        this.clock = clock;
    }

    /// Carries out a command.
    ///
    /// @param asked has the members `verb`, `domain` (an id) and `name`
    /// @param who asks
    /// @throws WebRefused if it is none, or the service refuses it
    void carryOut(Json.Obj asked, String who) throws WebRefused {
        String verb = asked.text("verb");
        String name = asked.text("name");
        if (verb == null
                || !VERBS.contains(verb)
                || name == null
                || !(asked.find("domain") instanceof Json.Int(var id))
                || id < 0) {
            throw new WebRefused(400, "not a command of the page");
        }
        try {
            check(id, name);
            service.command(List.of(verb, Long.toString(id)));
            tell(who, verb, name);
        } catch (HostException e) {
            tell(who, verb + ": refused: " + e.getMessage(), name);
            throw new WebRefused(409, String.valueOf(e.getMessage()));
        }
    }

    private void check(long id, String name) throws HostException, WebRefused {
        List<Json.Obj> rows = service.rows(List.of("list", Long.toString(id)), "domains");
        for (Json.Obj row : rows) {
            if (name.equals(row.text("name"))) {
                return;
            }
        }
        throw new WebRefused(409, "the domain with this id has another name now");
    }

    private void tell(String who, String what, String guest) {
        actions.add(clock.instant(), who, what, guest);
        log.info("{}: {} {}", who, what, guest);
    }
}
