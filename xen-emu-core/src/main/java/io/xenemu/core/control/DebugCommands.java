package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;

import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.toolstack.Refused;
import java.util.List;

/// The verbs of xl's for who debugs a guest: debug keys and triggers.
final class DebugCommands {
    private static final String KEYS = "keys";
    private static final String DOMAIN = "domain";
    private static final String TRIGGER = "trigger";
    private static final String VCPU = "vcpu";

    static final List<Verb> VERBS =
            List.of(
                    Verb.changes(
                            "debug-keys",
                            "Press debug keys. e: show event channels; q: show guests, and raise VIRQ_DEBUG "
                                    + "at their vCPUs; h: show the keys.",
                            DebugCommands::debugKeys,
                            one(KEYS)),
                    Verb.changes(
                            "trigger",
                            "Send a trigger to a guest. nmi: a non-maskable interrupt; reset: reset it at "
                                    + "once; power: ask it by XenStore to power off. init, sleep and s3resume are "
                                    + "refused.",
                            DebugCommands::trigger,
                            one(DOMAIN),
                            one(TRIGGER),
                            optional(VCPU)));

    private DebugCommands() {}

    private static ControlReply debugKeys(OperatedService service, VerbCall call) throws Refused {
        return ControlReply.rows(new DebugKeys(service.domains()).press(call.one(KEYS)));
    }

    private static ControlReply trigger(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String name = call.one(DOMAIN);
        String trigger = call.one(TRIGGER);
        String vcpu = call.find(VCPU);
        switch (trigger) {
            case "nmi" ->
                    service.named()
                            .on(name, domain -> vcpu(domain, vcpu == null ? "0" : vcpu).nmi());
            case "reset" ->
                    service.named().on(name, domain -> domain.shutdown(ShutdownReason.REBOOT, ""));
            // The guests have no ACPI power button.
            case "power" -> DomainCommands.askToPowerOff(service, name);
            case "init" -> throw new Refused("init: Xen does not send it to HVM domains either");
            case "sleep", "s3resume" ->
                    throw new Refused(trigger + ": the domains have no ACPI sleep states");
            default -> throw new Refused("no such trigger: " + trigger);
        }
        return ControlReply.done();
    }

    private static Vcpu vcpu(Domain domain, String number) throws Refused {
        Integer index = Ints.tryParse(number);
        if (index == null || index < 0 || index >= domain.vcpus().size()) {
            throw new Refused("no such vCPU: " + number);
        }
        return domain.vcpus().get(index);
    }
}
