package io.xenemu.core.control;

import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.toolstack.Refused;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// All verbs, by name. A new one is a row in its family's list with a handler beside it, and a subcommand of `xen-emu`.
/// Its help is that of the subcommand, of the man page and of the documents.
public final class VerbTable implements ControlCommands {
    /// Every verb, in the order of the documents.
    public static final List<Verb> ALL =
            Stream.of(
                            GuestCommands.VERBS,
                            DomainCommands.VERBS,
                            SaveCommands.VERBS,
                            MigrationCommands.VERBS,
                            UpgradeCommands.VERBS,
                            MemoryCommands.VERBS,
                            VcpuCommands.VERBS,
                            DebugCommands.VERBS,
                            ChannelCommands.VERBS,
                            DeviceCommands.VERBS,
                            EngineCommands.VERBS,
                            HostCommands.VERBS)
                    .flatMap(List::stream)
                    .toList();

    private static final Map<String, Verb> BY_NAME =
            ALL.stream().collect(Collectors.toUnmodifiableMap(Verb::name, Function.identity()));

    private final OperatedService service;

    /// @param service the service that the verbs work on
    public VerbTable(OperatedService service) {
        this.service = service;
    }

    /// The verb of a name, or null.
    public static @Nullable Verb named(String name) {
        return BY_NAME.get(name);
    }

    /// Refuses what would change a guest that moves.
    private void requireNotMoving(Verb verb, VerbCall call) throws Refused {
        HostedGuests hosted = service.hosted();
        boolean changes = changes(verb);
        String guest = call.find("domain");
        if (hosted != null
                && changes
                && guest != null
                && !MigrationCommands.FOR_MOVING.contains(verb.name())) {
            hosted.requireNotMoving(service.named().nameOf(guest));
        }
    }

    private static boolean changes(Verb verb) {
        return verb.effect() == Verb.Effect.CHANGES || verb.effect() == Verb.Effect.CHANGES_SLOWLY;
    }

    /// Carries a verb out, unless it would change a service that is being handed over.
    private ControlReply carryOut(Verb verb, VerbCall call) throws Refused, InterruptedException {
        requireNotMoving(verb, call);
        if (!changes(verb) || verb.name().equals(UpgradeCommands.NAME)) {
            return verb.handler().carryOut(service, call);
        }
        service.changes().enter(verb.name());
        try {
            return verb.handler().carryOut(service, call);
        } finally {
            service.changes().leave(verb.name());
        }
    }

    @Override
    public Command find(ControlRequest request) throws Refused {
        Verb verb = named(request.verb());
        if (verb == null) {
            throw new Refused(Refused.Kind.NOT_A_COMMAND, "no such command: " + request.verb());
        }
        if (verb.service() == Verb.Service.DAEMON && service.hosted() == null) {
            throw new Refused(
                    Refused.Kind.NOT_A_COMMAND,
                    request.verb() + ": only xen-emu daemon does that, not run");
        }
        VerbCall call = VerbCall.of(verb, request.arguments());
        return new Command(
                verb.effect(), call.waits(), progress -> carryOut(verb, call.telling(progress)));
    }
}
