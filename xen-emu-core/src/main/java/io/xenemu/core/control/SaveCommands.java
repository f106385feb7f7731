package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.named;
import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;

import com.google.common.primitives.Ints;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.guest.HostedGuest;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.json.Json;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

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
    private static final String SUSPEND = "suspend";
    private static final String WITH = "with";
    private static final String CLOCK = "clock";
    private static final String LAZY = "lazy";
    private static final String COUNT = "copies";
    private static final String NAME = "name";

    /// The most clones of one request. Each has a thread, and an id of 32,751.
    private static final int MAX_CLONES = 1024;

    static final List<Verb> VERBS =
            List.of(
                    Verb.changesSlowly(
                            "save",
                            "Save a guest with its memory and devices to a file, and end it. With -c it goes on, with "
                                    + "-p it stays paused. What keeps it from being saved is named before it stops; if "
                                    + "the file cannot be written, it goes on. Several guests are saved in one file at "
                                    + "one moment, with the pages and event channels that they share. "
                                    + "With --suspend the guest takes part: its drivers suspend it, and make everything "
                                    + "anew after the restore.",
                            SaveCommands::save,
                            one(DOMAIN),
                            one(FILE),
                            flag(CHECKPOINT),
                            flag(PAUSED),
                            flag(SUSPEND),
                            flag(SOCKET),
                            named(WITH)),
                    Verb.ofDaemon(
                            "restore",
                            "Let the guests of a file go on, with the domain ids that they had: all of them, or none. "
                                    + "With --lazy a guest goes on at once, and its memory comes from the file "
                                    + "meanwhile.",
                            Verb.Effect.CHANGES_SLOWLY,
                            SaveCommands::restore,
                            one(FILE),
                            flag(PAUSED),
                            flag(SOCKET),
                            flag(LAZY),
                            optional(CLOCK)),
                    Verb.ofDaemon(
                            "clone",
                            "Make guests of a saved guest that took part in its save (save --suspend). Each has a domain "
                                    + "id, a name, a UUID, a VM generation id and MAC addresses of its own. They share "
                                    + "the pages of its memory that they have not touched.",
                            Verb.Effect.CHANGES_SLOWLY,
                            SaveCommands::makeClones,
                            one(FILE),
                            one(COUNT),
                            flag(PAUSED),
                            optional(NAME)));

    private SaveCommands() {}

    private static SavePlace place(VerbCall call) throws Refused {
        return new SavePlace(
                call.absolutePath(FILE),
                call.has(SOCKET) ? SavePlace.Kind.SOCKET : SavePlace.Kind.FILE);
    }

    private static ControlReply save(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        SavePlace place = place(call);
        Set<Domain> domains = new LinkedHashSet<>(List.of(service.named().named(call.one(DOMAIN))));
        for (String further : call.all(WITH)) {
            domains.add(service.named().named(further));
        }
        HostedGuests all = service.hosted();
        List<HostedGuest> hosted = new ArrayList<>();
        for (Domain domain : domains) {
            HostedGuest guest = all == null ? null : all.named(domain.config().name());
            if (guest != null) {
                hosted.add(guest);
            }
        }
        DomainOrder.Then then = then(call);
        Duration stoodStill = save(service, List.copyOf(domains), place, then, call);
        if (then != DomainOrder.Then.END) {
            return then == DomainOrder.Then.GO_ON ? stoodStill(stoodStill) : ControlReply.done();
        }
        for (Domain domain : domains) {
            service.domains().awaitEnd(domain);
        }
        for (HostedGuest guest : hosted) {
            guest.awaitEnd();
        }
        return ControlReply.done();
    }

    private static Duration save(
            OperatedService service,
            List<Domain> domains,
            SavePlace place,
            DomainOrder.Then then,
            VerbCall call)
            throws Refused, InterruptedException {
        boolean suspend = call.has(SUSPEND);
        if (domains.size() > 1 && suspend) {
            throw new Refused("suspend: a guest that takes part is saved alone");
        }
        if (domains.size() > 1) {
            return service.guests().save(domains, place, then, call::tell);
        }
        AtomicReference<Duration> stoodStill = new AtomicReference<>(Duration.ZERO);
        DomainOrder.Save order =
                new DomainOrder.Save(place, then, suspend, call::tell, stoodStill::set);
        service.domains().order(domains.getFirst(), order);
        return stoodStill.get();
    }

    /// Tells for how long guests did not run that go on.
    private static ControlReply stoodStill(Duration time) {
        long millis = time.toMillis();
        return ControlReply.rows(List.of("stood still for " + millis + " ms"))
                .with("stood-still-ms", new Json.Int(millis));
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

    private static ControlReply makeClones(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String word = call.one(COUNT);
        Integer count = Ints.tryParse(word);
        if (count == null || count < 1 || count > MAX_CLONES) {
            throw new Refused("copies: '%s' is no number from 1 to %d".formatted(word, MAX_CLONES));
        }
        try {
            SavePlace place = new SavePlace(call.absolutePath(FILE), SavePlace.Kind.FILE);
            return ControlReply.rows(
                    service.guests()
                            .makeClones(
                                    place, count, call.find(NAME), call.has(PAUSED), call::tell));
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
