package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;

import io.xenemu.core.guest.LiveUpdates;
import io.xenemu.core.toolstack.Refused;
import java.util.List;

/// The verb by which the next version of a service takes it over.
final class UpgradeCommands {
    static final String NAME = "upgrade";

    /// The flag of the new process.
    static final String BEGIN = "begin";

    static final List<Verb> VERBS =
            List.of(
                    Verb.ofDaemon(
                            NAME,
                            "Tell whether a new version of the daemon can take over now, and all that is against it. "
                                    + "daemon --upgrade is the new version: it takes over all guests, which go on in "
                                    + "the same memory.",
                            Verb.Effect.CHANGES,
                            UpgradeCommands::upgrade,
                            flag(BEGIN)));

    private UpgradeCommands() {}

    private static ControlReply upgrade(OperatedService service, VerbCall call) throws Refused {
        LiveUpdates updates = service.liveUpdates();
        if (call.has(BEGIN)) {
            return ControlReply.rows(List.of(updates.begin().toString()));
        }
        List<String> blockers = updates.blockers();
        if (!blockers.isEmpty()) {
            throw new Refused(String.join("\n", blockers));
        }
        return ControlReply.rows(List.of("nothing is against it"));
    }
}
