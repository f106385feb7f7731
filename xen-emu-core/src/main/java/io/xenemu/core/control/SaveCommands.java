package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.guest.HostedGuest;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.util.List;

/// The verbs that save a guest and restore it.
///
/// A service reads and writes files itself, so that a client that ends leaves no half of one. For a pipe, the file's
/// name is that of a Unix socket of the client ([ClientStream]), which the flag [#SOCKET] tells.
final class SaveCommands {
    /// The flag for the socket of a client instead of a file.
    static final String SOCKET = "socket";

    private static final String DOMAIN = "domain";
    private static final String FILE = "file";
    private static final String CHECKPOINT = "checkpoint";
    private static final String PAUSED = "paused";
    private static final String CLOCK = "clock";
    private static final String LAZY = "lazy";

    static final List<Verb> VERBS =
            List.of(
                    Verb.changesSlowly(
                            "save",
                            "Save a guest with its memory and devices to a file, and end it. With -c it goes on, with "
                                    + "-p it stays paused. What keeps it from being saved is named before it stops; if "
                                    + "the file cannot be written, it goes on.",
                            SaveCommands::save,
                            one(DOMAIN),
                            one(FILE),
                            flag(CHECKPOINT),
                            flag(PAUSED),
                            flag(SOCKET)),
                    Verb.ofDaemon(
                            "restore",
                            "Let a saved guest go on, with the domain id that it had. With --lazy it goes on at once, and "
                                    + "its memory comes from the file meanwhile.",
                            Verb.Effect.CHANGES_SLOWLY,
                            SaveCommands::restore,
                            one(FILE),
                            flag(PAUSED),
                            flag(SOCKET),
                            flag(LAZY),
                            optional(CLOCK)));

    private SaveCommands() {}

    private static SavePlace place(VerbCall call) throws Refused {
        return new SavePlace(
                call.absolutePath(FILE),
                call.has(SOCKET) ? SavePlace.Kind.SOCKET : SavePlace.Kind.FILE);
    }

    private static ControlReply save(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        SavePlace place = place(call);
        Domain domain = service.named().named(call.one(DOMAIN));
        HostedGuests all = service.hosted();
        HostedGuest hosted = all == null ? null : all.named(domain.config().name());
        DomainOrder.Then then = then(call);
        service.domains().order(domain, new DomainOrder.Save(place, then, call::tell));
        if (then == DomainOrder.Then.END) {
            service.domains().awaitEnd(domain);
            if (hosted != null) {
                hosted.awaitEnd();
            }
        }
        return ControlReply.done();
    }

    /// As for xl, a guest that is to stay paused does not go on.
    private static DomainOrder.Then then(VerbCall call) {
        if (call.has(PAUSED)) {
            return DomainOrder.Then.STAY_PAUSED;
        }
        return call.has(CHECKPOINT) ? DomainOrder.Then.GO_ON : DomainOrder.Then.END;
    }

    private static ControlReply restore(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        try {
            service.guests()
                    .restore(
                            place(call), clock(call), call.has(LAZY), call.has(PAUSED), call::tell);
            return ControlReply.done();
        } catch (BootException | KvmException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }

    private static ClockPolicy clock(VerbCall call) throws Refused {
        String word = call.find(CLOCK);
        if (word == null) {
            return ClockPolicy.STAND_STILL;
        }
        for (ClockPolicy policy : ClockPolicy.values()) {
            if (word.equals(ControlProtocol.word(policy))) {
                return policy;
            }
        }
        throw new Refused("clock: '" + word + "' is neither advance nor stand-still");
    }
}
