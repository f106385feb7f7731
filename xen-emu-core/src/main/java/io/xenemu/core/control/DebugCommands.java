package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;

import com.google.common.primitives.Ints;
import io.xenemu.core.device.AcpiEvents;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.kvm.abi.XenError;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The verbs for debugging a guest: xl's debug keys, SysRq and triggers, its trace, its core.
final class DebugCommands {
    private static final String KEYS = "keys";
    private static final String DOMAIN = "domain";
    private static final String TRIGGER = "trigger";
    private static final String VCPU = "vcpu";
    private static final String FILE = "file";
    private static final String LIVE = "live";
    private static final String FILTER = "filter";
    private static final String LETTER = "letter";

    /// Time for a vCPU to take an NMI, the same as for a pause.
    private static final Duration NMI_LIMIT = Duration.ofSeconds(10);

    static final List<Verb> VERBS =
            List.of(
                    Verb.changes(
                            "debug-keys",
                            "Press debug keys, a letter each. h lists them; they show guests' event channels, "
                                    + "grants, memory, timers, vCPUs and registers. q also raises VIRQ_DEBUG "
                                    + "at the vCPUs.",
                            DebugCommands::debugKeys,
                            one(KEYS)),
                    Verb.changes(
                            "sysrq",
                            "Send a SysRq to a guest by XenStore: a letter, or another character. Linux does "
                                    + "what Alt+SysRq does with this key, if its kernel.sysrq allows it.",
                            DebugCommands::sysrq,
                            one(DOMAIN),
                            one(LETTER)),
                    Verb.changes(
                            "trigger",
                            "Send a trigger to a guest. nmi: a non-maskable interrupt; reset: reset it at "
                                    + "once; power, sleep: press its ACPI button. init and s3resume are refused.",
                            DebugCommands::trigger,
                            one(DOMAIN),
                            one(TRIGGER),
                            optional(VCPU)),
                    Verb.session(
                            "trace",
                            "Print hypercalls and other events of a guest, one a line, until it ends or "
                                    + "Ctrl-C. The guest is not held up: what is not read in time is lost, and a "
                                    + "line says how much.",
                            DebugCommands::trace,
                            one(DOMAIN),
                            optional(FILTER)),
                    Verb.changesSlowly(
                            "dump-core",
                            "Write a guest's registers and memory to an ELF core, which crash and gdb "
                                    + "read. The guest is paused meanwhile, unless -L is given.",
                            DebugCommands::dumpCore,
                            one(DOMAIN),
                            one(FILE),
                            flag(LIVE)));

    private DebugCommands() {}

    private static ControlReply debugKeys(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        return ControlReply.rows(new DebugKeys(service.domains()).press(call.one(KEYS)));
    }

    /// Sends one character. A domain that has stopped is refused, where xl writes a node that no guest reads.
    private static ControlReply sysrq(OperatedService service, VerbCall call) throws Refused {
        String letter = call.one(LETTER);
        if (letter.length() != 1 || letter.charAt(0) <= ' ' || letter.charAt(0) > '~') {
            throw new Refused("'" + letter + "' is not a SysRq: it is one letter");
        }
        service.named().on(call.one(DOMAIN), domain -> sysrq(service, domain, letter.charAt(0)));
        return ControlReply.done();
    }

    private static void sysrq(OperatedService service, Domain domain, char letter) throws Refused {
        if (domain.shutdownLatch().get() != null) {
            throw new Refused(domain.config().name() + " has stopped");
        }
        try {
            service.controls().sysrq(domain.id(), letter);
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
    }

    private static ControlReply trigger(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String name = call.one(DOMAIN);
        String trigger = call.one(TRIGGER);
        String vcpu = call.find(VCPU);
        switch (trigger) {
            case "nmi" -> nmi(service, name, vcpu == null ? "0" : vcpu);
            case "reset" -> reset(service, name);
            case "power" -> press(service, name, AcpiEvents.Event.POWER_BUTTON);
            case "sleep" -> press(service, name, AcpiEvents.Event.SLEEP_BUTTON);
            case "init" -> throw new Refused("init: Xen does not send it to HVM domains either");
            case "s3resume" ->
                    throw new Refused("s3resume: the domains have no ACPI sleep state S3");
            default ->
                    throw new Refused(
                            "no such trigger: " + trigger + " (nmi, reset, power or sleep)");
        }
        return ControlReply.done();
    }

    /// Resets a guest at once.
    static void reset(OperatedService service, String name) throws Refused {
        service.named().on(name, domain -> domain.shutdown(ShutdownReason.REBOOT, ""));
    }

    /// Presses a button of a guest, which decides what follows.
    static void press(OperatedService service, String name, AcpiEvents.Event button)
            throws Refused {
        service.named().on(name, domain -> domain.acpiEvents().raise(button));
    }

    /// Sends an NMI. Waits for the vCPU's thread with no lock held, so that other commands go on if it is stuck.
    private static void nmi(OperatedService service, String name, String number)
            throws Refused, InterruptedException {
        List<Future<?>> sent = new ArrayList<>();
        Domain domain =
                service.named().on(name, found -> sent.add(vcpu(found, number).requestNmi()));
        await(sent.getFirst(), domain + ": vCPU " + number, NMI_LIMIT);
    }

    /// @param vcpu names it for the operator
    static void await(Future<?> nmi, String vcpu, Duration limit)
            throws Refused, InterruptedException {
        try {
            nmi.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new Refused(
                    "%s has not taken the NMI within %d s: its thread is busy. It gets it later"
                            .formatted(vcpu, limit.toSeconds()));
        } catch (ExecutionException e) {
            throw new IllegalStateException("no NMI for " + vcpu, e.getCause());
        }
    }

    /// Turns the connection into a trace, in the format of a trace's file.
    private static ControlReply trace(OperatedService service, VerbCall call) throws Refused {
        HypercallTable table = HypercallTable.standard();
        String names = call.find(FILTER);
        TraceFilter filter;
        try {
            filter = names == null ? TraceFilter.all(table) : TraceFilter.of(table, names);
        } catch (IllegalArgumentException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
        Domain domain = service.named().named(call.one(DOMAIN));
        String obstacle = service.traces().obstacle(domain);
        if (obstacle != null) {
            throw new Refused(domain + " cannot be traced: " + obstacle);
        }
        return ControlReply.session(new TraceSession(service.traces(), domain, filter));
    }

    private static ControlReply dumpCore(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        Path file = call.absolutePath(FILE);
        Domain domain = service.named().named(call.one(DOMAIN));
        service.domains().order(domain, new DomainOrder.DumpCore(file, call.has(LIVE), call::tell));
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
