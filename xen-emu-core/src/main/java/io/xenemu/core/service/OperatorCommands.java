package io.xenemu.core.service;

import com.google.common.base.Splitter;
import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// What an operator may ask of a running service, one line each, with xl's words:
///
/// | request | what it does |
/// |---|---|
/// | `debug-keys KEYS` | what each key stands for, as in Xen: see [DebugKeys] |
/// | `trigger DOMAIN nmi [VCPU]` | a non-maskable interrupt at the vCPU, 0 if none is given |
/// | `trigger DOMAIN reset` | resets the domain at once, which reboots it |
/// | `trigger DOMAIN power` | asks the guest by XenStore to power off, for want of an ACPI power button |
/// | `trigger DOMAIN init\|sleep\|s3resume` | refused |
///
/// A domain is named by its id or name. The reply is [#DONE], or `error: ` and a reason.
final class OperatorCommands implements UnaryOperator<String> {
    static final String DONE = "ok";

    private static final Splitter WORDS = Splitter.on(' ').omitEmptyStrings();

    /// What must not be asked; the message is for the operator.
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message, null, false, false);
        }
    }

    /// The domains of a service.
    interface Domains {
        /// Calls `work` for every domain; none of them ends meanwhile.
        void forEach(Consumer<Domain> work);

        /// Asks a guest by XenStore to power off.
        ///
        /// @throws XenError what XenStore answers
        void powerOff(Domain domain) throws XenError;
    }

    private interface Order {
        void carryOut(Domain domain) throws Refused;
    }

    private final Domains domains;
    private final DebugKeys keys;

    OperatorCommands(Domains domains) {
        this.domains = domains;
        this.keys = new DebugKeys(domains);
    }

    @Override
    public String apply(String line) {
        List<String> words = WORDS.splitToList(line);
        try {
            if (words.size() == 2 && words.get(0).equals("debug-keys")) {
                keys.press(words.get(1));
            } else if (words.size() >= 3 && words.size() <= 4 && words.get(0).equals("trigger")) {
                trigger(words.get(1), words.get(2), words.size() == 4 ? words.get(3) : "0");
            } else {
                throw new Refused("not a command: " + line);
            }
            return DONE;
        } catch (Refused e) {
            return "error: " + e.getMessage();
        }
    }

    private void trigger(String name, String trigger, String vcpu) throws Refused {
        switch (trigger) {
            case "nmi" -> on(name, domain -> vcpu(domain, vcpu).nmi());
            case "reset" -> on(name, domain -> domain.shutdown(ShutdownReason.REBOOT, ""));
            case "power" -> on(name, this::powerOff);
            case "init" -> throw new Refused("init: Xen does not send it to HVM domains either");
            case "sleep", "s3resume" ->
                    throw new Refused(trigger + ": the domains have no ACPI sleep states");
            default -> throw new Refused("no such trigger: " + trigger);
        }
    }

    private void on(String name, Order order) throws Refused {
        Outcome outcome = new Outcome();
        domains.forEach(domain -> {
            if (isNamed(domain, name)) {
                outcome.of(order, domain);
            }
        });
        if (outcome.refused != null) {
            throw outcome.refused;
        }
        if (!outcome.found) {
            throw new Refused("no such domain: " + name);
        }
    }

    private static final class Outcome {
        boolean found;
        @Nullable Refused refused;

        void of(Order order, Domain domain) {
            found = true;
            try {
                order.carryOut(domain);
            } catch (Refused e) {
                refused = e;
            }
        }
    }

    private static boolean isNamed(Domain domain, String name) {
        return domain.config().name().equals(name)
                || Integer.toString(domain.id().value()).equals(name);
    }

    private static Vcpu vcpu(Domain domain, String number) throws Refused {
        Integer index = Ints.tryParse(number);
        if (index == null || index < 0 || index >= domain.vcpus().size()) {
            throw new Refused("no such vCPU: " + number);
        }
        return domain.vcpus().get(index);
    }

    private void powerOff(Domain domain) throws Refused {
        try {
            domains.powerOff(domain);
        } catch (XenError e) {
            throw new Refused("power: XenStore says " + e);
        }
    }
}
