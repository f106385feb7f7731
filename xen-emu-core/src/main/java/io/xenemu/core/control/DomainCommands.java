package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;
import static io.xenemu.core.control.VerbArgument.waitFlag;

import io.xenemu.core.device.AcpiEvents;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;
import java.util.ArrayList;
import java.util.List;

/// xl's verbs that apply to any domain. A domain is named by its id or name.
final class DomainCommands {
    private static final String DOMAIN = "domain";
    private static final String WAIT = "wait";
    private static final String FALLBACK = "fallback";

    static final List<Verb> VERBS =
            List.of(
                    Verb.reads(
                            "list",
                            "List the guests of a service. State: r running, b blocked, p paused, s shut "
                                    + "down, c crashed, d dying.",
                            DomainCommands::list,
                            optional(DOMAIN)),
                    Verb.reads(
                            "domid",
                            "Print the id of the domain that a guest is now.",
                            DomainCommands::domid,
                            one(DOMAIN)),
                    Verb.changes(
                            "pause",
                            "Stop the vCPUs of a guest. Pauses nest: each needs its own unpause. A vCPU that "
                                    + "does not stop within 10 s fails the pause, and is named.",
                            ordering(DomainOrder.Plain.PAUSE),
                            one(DOMAIN)),
                    Verb.changes(
                            "unpause",
                            "Take back one pause of a guest.",
                            ordering(DomainOrder.Plain.UNPAUSE),
                            one(DOMAIN)),
                    Verb.changes(
                            "shutdown",
                            "Ask a guest by XenStore to power off. With -F, press the ACPI power button of a "
                                    + "guest without PV drivers.",
                            (service, call) -> shutDown(service, call, DomainOrder.Plain.POWER_OFF),
                            one(DOMAIN),
                            flag(FALLBACK),
                            waitFlag()),
                    Verb.changes(
                            "reboot",
                            "Ask a guest by XenStore to reboot. With -F, reset a guest without PV drivers.",
                            (service, call) -> shutDown(service, call, DomainOrder.Plain.REBOOT),
                            one(DOMAIN),
                            flag(FALLBACK),
                            waitFlag()),
                    Verb.changes(
                            "shutdown-all",
                            "Shut down all guests, as shutdown does.",
                            (service, call) ->
                                    shutDownAll(service, call, DomainOrder.Plain.POWER_OFF),
                            flag(FALLBACK),
                            waitFlag()),
                    Verb.changes(
                            "reboot-all",
                            "Reboot all guests, as reboot does.",
                            (service, call) -> shutDownAll(service, call, DomainOrder.Plain.REBOOT),
                            flag(FALLBACK),
                            waitFlag()),
                    Verb.changesSlowly(
                            "suspend",
                            "Ask a guest by XenStore to suspend, and wait until it has, at most a minute. It "
                                    + "keeps its memory, and goes on after a resume.",
                            ordering(DomainOrder.Plain.SUSPEND),
                            one(DOMAIN)),
                    Verb.changes(
                            "resume",
                            "Let a guest go on that has suspended: its hypercall returns 1, \"cancelled\".",
                            ordering(DomainOrder.Plain.RESUME),
                            one(DOMAIN)),
                    Verb.changes(
                            "destroy",
                            "End a guest at once. Its name is free when this returns.",
                            DomainCommands::destroy,
                            one(DOMAIN)),
                    Verb.session(
                            "events",
                            "Print what happens to guests, a JSON object a line, until the service ends. It "
                                    + "begins with an event of type exists for each guest.",
                            DomainCommands::events));

    private DomainCommands() {}

    private static ControlReply list(OperatedService service, VerbCall call) throws Refused {
        String name = call.find(DOMAIN);
        List<DomainRow> rows = new ArrayList<>();
        if (name == null) {
            service.domains().forEach(domain -> rows.add(DomainRow.of(domain)));
        } else {
            service.named().on(name, domain -> rows.add(DomainRow.of(domain)));
        }
        return ControlReply.rows(DomainRow.table(rows))
                .with("domains", new Json.Array(rows.stream().<Json>map(DomainRow::json).toList()));
    }

    private static ControlReply domid(OperatedService service, VerbCall call) throws Refused {
        int id = service.named().named(call.one(DOMAIN)).id().value();
        return ControlReply.rows(List.of(Integer.toString(id))).with("id", new Json.Int(id));
    }

    /// The handler that gives an order to one domain.
    private static Verb.Handler ordering(DomainOrder order) {
        return (service, call) -> {
            service.domains().order(service.named().named(call.one(DOMAIN)), order);
            return ControlReply.done();
        };
    }

    private static ControlReply shutDown(OperatedService service, VerbCall call, DomainOrder how)
            throws Refused, InterruptedException {
        Domain domain = service.named().named(call.one(DOMAIN));
        ask(service, call, domain, how);
        if (call.has(WAIT)) {
            awaitEnds(service, call, List.of(domain));
        }
        return ControlReply.done();
    }

    /// Waits until the domains that have been asked end, and tells of each end.
    private static void awaitEnds(OperatedService service, VerbCall call, List<Domain> asked)
            throws InterruptedException {
        List<String> names = asked.stream().map(domain -> domain.config().name()).toList();
        call.tell(Json.EMPTY.with("asked", Json.texts(names)));
        for (Domain domain : asked) {
            service.domains().awaitStop(domain);
            call.tell(Json.EMPTY.with("ended", domain.config().name()));
        }
    }

    /// Asks a guest by XenStore, or, if the operator wants it and the guest has no PV drivers, by ACPI. As for libxl, a
    /// guest has PV drivers if it has set its callback.
    private static void ask(OperatedService service, VerbCall call, Domain domain, DomainOrder how)
            throws Refused, InterruptedException {
        boolean hasDrivers = domain.params().get(HvmParams.CALLBACK_IRQ) != 0;
        String id = Integer.toString(domain.id().value());
        if (!call.has(FALLBACK) || hasDrivers) {
            service.domains().order(domain, how);
        } else if (how == DomainOrder.Plain.POWER_OFF) {
            DebugCommands.press(service, id, AcpiEvents.Event.POWER_BUTTON);
        } else {
            DebugCommands.reset(service, id);
        }
    }

    /// Asks every guest, and then reports those that XenStore refuses to ask.
    private static ControlReply shutDownAll(OperatedService service, VerbCall call, DomainOrder how)
            throws Refused, InterruptedException {
        OperatedDomains domains = service.domains();
        List<Domain> all = new ArrayList<>();
        domains.forEach(all::add);
        List<Domain> asked = new ArrayList<>();
        List<String> refused = new ArrayList<>();
        for (Domain domain : all) {
            try {
                ask(service, call, domain, how);
                asked.add(domain);
            } catch (Refused e) {
                refused.add(domain.config().name() + ": " + e.reason());
            }
        }
        if (call.has(WAIT)) {
            awaitEnds(service, call, asked);
        }
        if (!refused.isEmpty()) {
            throw new Refused(String.join("; ", refused));
        }
        return ControlReply.done();
    }

    /// Turns the connection into a stream of the domains' events.
    private static ControlReply events(OperatedService service, VerbCall call) {
        return ControlReply.session(new EventSession(service.events(), service.domains()));
    }

    /// Ends a domain at once. A daemon's guest is gone then, with its name.
    private static ControlReply destroy(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String name = call.one(DOMAIN);
        if (service.hosted() != null) {
            GuestCommands.hosted(service, name).stop();
        } else {
            Domain domain = service.named().named(name);
            service.domains().destroy(domain);
            service.domains().awaitEnd(domain);
        }
        return ControlReply.done();
    }
}
