package io.xenemu.core.control;

import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.NamedDomains;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.toolstack.Refused;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/// What an operator may ask of a running service, with xl's words:
///
/// | request | what it does |
/// |---|---|
/// | `list [DOMAIN]` | a row for each domain: see [DomainRow] |
/// | `domid DOMAIN` | its id |
/// | `pause DOMAIN`, `unpause DOMAIN` | keeps it from running; takes as many of the one as there were of the other |
/// | `shutdown DOMAIN [wait]`, `reboot DOMAIN [wait]` | asks the guest by XenStore; `wait` for the end of the domain |
/// | `shutdown-all [wait]`, `reboot-all [wait]` | asks all guests, as xl's `-a` |
/// | `destroy DOMAIN` | ends it at once |
/// | `debug-keys KEYS` | what each key stands for, as in Xen: see [DebugKeys] |
/// | `trigger DOMAIN nmi [VCPU]` | a non-maskable interrupt at the vCPU, 0 if none is given |
/// | `trigger DOMAIN reset` | resets the domain at once, which reboots it |
/// | `trigger DOMAIN power` | asks the guest by XenStore to power off, for want of an ACPI power button |
/// | `trigger DOMAIN init\|sleep\|s3resume` | refused |
///
/// and what [DeviceCommands] knows. A domain is named by its id or name.
public final class OperatorCommands implements Function<List<String>, ControlReply> {
    private static final String WAIT = "wait";

    /// Requests that may end with [#WAIT], and of how many words they then are.
    private static final Map<String, Integer> WAITING =
            Map.of("shutdown", 3, "reboot", 3, "shutdown-all", 2, "reboot-all", 2);

    private final OperatedDomains domains;
    private final NamedDomains named;
    private final DebugKeys keys;
    private final DeviceCommands devices;

    /// What an operator may ask of this hypervisor.
    public static OperatorCommands of(Hypervisor hypervisor) {
        return new OperatorCommands(
                hypervisor.operated(), new DeviceCommands(hypervisor.attachment()));
    }

    OperatorCommands(OperatedDomains domains, DeviceCommands devices) {
        this.domains = domains;
        this.named = new NamedDomains(domains);
        this.keys = new DebugKeys(domains);
        this.devices = devices;
    }

    /// Whether a request lasts until guests have ended, however long they take.
    static boolean waits(List<String> words) {
        return !words.isEmpty()
                && words.getLast().equals(WAIT)
                && WAITING.getOrDefault(words.getFirst(), 0) == words.size();
    }

    @Override
    public ControlReply apply(List<String> words) {
        try {
            return carryOut(words);
        } catch (Refused e) {
            return ControlReply.error(e.reason());
        }
    }

    private ControlReply carryOut(List<String> words) throws Refused {
        if (words.equals(List.of("list"))) {
            return ControlReply.rows(DomainRow.table(domains));
        }
        switch (words.isEmpty() ? "" : words.getFirst()) {
            case "shutdown-all" -> {
                return shutDownAll(words, "poweroff");
            }
            case "reboot-all" -> {
                return shutDownAll(words, "reboot");
            }
            default -> {}
        }
        if (words.size() < 2) {
            throw notACommand(words);
        }
        String verb = words.get(0);
        String name = words.get(1);
        List<String> options = words.subList(2, words.size());
        if (DeviceCommands.knows(verb)) {
            return ControlReply.rows(devices.carryOut(verb, words.subList(1, words.size())));
        }
        switch (verb) {
            case "debug-keys" -> {
                require(options.isEmpty(), words);
                return ControlReply.rows(keys.press(name));
            }
            case "trigger" -> {
                require(options.size() == 1 || options.size() == 2, words);
                trigger(name, options.get(0), options.size() == 2 ? options.get(1) : "0");
            }
            case "shutdown", "reboot" -> {
                require(options.isEmpty() || options.equals(List.of(WAIT)), words);
                Domain domain = named.named(name);
                onGuest(() ->
                        domains.askToShutDown(domain, verb.equals("reboot") ? verb : "poweroff"));
                if (!options.isEmpty()) {
                    onGuest(() -> domains.awaitEnd(domain));
                }
            }
            default -> {
                require(options.isEmpty(), words);
                return ControlReply.rows(onDomain(verb, name, words));
            }
        }
        return ControlReply.done();
    }

    /// Verbs that take a domain and nothing else.
    private List<String> onDomain(String verb, String name, List<String> words) throws Refused {
        List<String> rows = new ArrayList<>();
        switch (verb) {
            case "list" -> named.on(name, domain -> rows.addAll(DomainRow.table(domain)));
            case "domid" ->
                    named.on(name, domain -> rows.add(Integer.toString(domain.id().value())));
            case "pause" -> {
                Domain domain = named.named(name);
                onGuest(() -> domains.pause(domain));
            }
            case "unpause" -> {
                Domain domain = named.named(name);
                onGuest(() -> domains.unpause(domain));
            }
            case "destroy" -> {
                Domain domain = named.named(name);
                domains.destroy(domain);
                onGuest(() -> domains.awaitEnd(domain));
            }
            default -> throw notACommand(words);
        }
        return rows;
    }

    /// What waits for a guest. It is done without a lock: the guest may need it.
    private interface GuestStep {
        void carryOut() throws Refused, InterruptedException;
    }

    private static void onGuest(GuestStep step) throws Refused {
        try {
            step.carryOut();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Refused("the service ends");
        }
    }

    private static void require(boolean fits, List<String> words) throws Refused {
        if (!fits) {
            throw notACommand(words);
        }
    }

    private static Refused notACommand(List<String> words) {
        return new Refused("not a command: " + String.join(" ", words));
    }

    private void trigger(String name, String trigger, String vcpu) throws Refused {
        switch (trigger) {
            case "nmi" -> named.on(name, domain -> vcpu(domain, vcpu).nmi());
            case "reset" -> named.on(name, domain -> domain.shutdown(ShutdownReason.REBOOT, ""));
            case "power" -> {
                Domain domain = named.named(name);
                onGuest(() -> domains.askToShutDown(domain, "poweroff"));
            }
            case "init" -> throw new Refused("init: Xen does not send it to HVM domains either");
            case "sleep", "s3resume" ->
                    throw new Refused(trigger + ": the domains have no ACPI sleep states");
            default -> throw new Refused("no such trigger: " + trigger);
        }
    }

    /// Asks every guest, and reports those that XenStore refuses.
    private ControlReply shutDownAll(List<String> words, String how) throws Refused {
        boolean wait = words.size() > 1;
        require(!wait || words.subList(1, words.size()).equals(List.of(WAIT)), words);
        List<Domain> asked = new ArrayList<>();
        List<String> refused = new ArrayList<>();
        List<Domain> all = new ArrayList<>();
        domains.forEach(all::add);
        for (Domain domain : all) {
            try {
                onGuest(() -> domains.askToShutDown(domain, how));
                asked.add(domain);
            } catch (Refused e) {
                refused.add(domain.config().name() + ": " + e.reason());
            }
        }
        if (wait) {
            for (Domain domain : asked) {
                onGuest(() -> domains.awaitEnd(domain));
            }
        }
        if (!refused.isEmpty()) {
            throw new Refused(String.join("; ", refused));
        }
        return ControlReply.done();
    }

    /// The domain of a name or id, which may be about to end.
    Domain named(String name) throws Refused {
        return named.named(name);
    }

    private static Vcpu vcpu(Domain domain, String number) throws Refused {
        Integer index = Ints.tryParse(number);
        if (index == null || index < 0 || index >= domain.vcpus().size()) {
            throw new Refused("no such vCPU: " + number);
        }
        return domain.vcpus().get(index);
    }
}
