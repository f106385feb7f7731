package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;

import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.thread.CpuAffinity;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// xl's verbs for vCPUs.
final class VcpuCommands {
    private static final String DOMAIN = "domain";
    private static final String COUNT = "count";
    private static final String VCPU = "vcpu";
    private static final String CPUS = "cpus";
    private static final String SOFT = "soft";
    private static final String ALL = "all";

    /// xl's word for an affinity that stays as it is.
    private static final String SAME = "-";

    /// Time for all vCPUs to answer, the same as for a pause.
    private static final Duration LIMIT = Duration.ofSeconds(10);

    static final List<Verb> VERBS =
            List.of(
                    Verb.reads(
                            "vcpu-list",
                            "List the vCPUs of guests. State: r running, b blocked, p down,"
                                    + " ? no answer within 10 s. CPU: the one of the host that it last ran on.",
                            VcpuCommands::list,
                            optional(DOMAIN)),
                    Verb.changes(
                            "vcpu-set",
                            "Ask a guest by XenStore to use so many of its vCPUs, up to its maxvcpus."
                                    + " vcpu-list shows those that it uses.",
                            VcpuCommands::set,
                            one(DOMAIN),
                            one(COUNT)),
                    Verb.changes(
                            "vcpu-pin",
                            "Let a vCPU of a guest, or all, run on some CPUs of the host: 0-3,^2, or all. It "
                                    + "lasts until the guest reboots. Linux has no soft affinity.",
                            VcpuCommands::pin,
                            one(DOMAIN),
                            one(VCPU),
                            one(CPUS),
                            optional(SOFT)));

    private VcpuCommands() {}

    /// Lists vCPUs. Makes each leave the guest for a moment, to see whether it is down.
    private static ControlReply list(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String name = call.find(DOMAIN);
        List<Domain> domains = new ArrayList<>();
        if (name == null) {
            service.domains().forEach(domains::add);
        } else {
            domains.add(service.named().named(name));
        }
        List<VcpuRow> rows = VcpuRow.of(domains, LIMIT);
        return ControlReply.rows(VcpuRow.table(rows))
                .with("vcpus", new Json.Array(rows.stream().<Json>map(VcpuRow::json).toList()));
    }

    /// Asks a guest to use a number of its vCPUs. The guest does so in its own time.
    private static ControlReply set(OperatedService service, VerbCall call) throws Refused {
        Integer count = Ints.tryParse(call.one(COUNT));
        if (count == null || count < 1) {
            throw new Refused("'" + call.one(COUNT) + "' is not a number of vCPUs");
        }
        Domain domain = service.named().named(call.one(DOMAIN));
        int all = domain.config().vcpus();
        if (count > all) {
            throw new Refused(
                    "%s has at most %d vCPUs (maxvcpus)".formatted(domain.config().name(), all));
        }
        try {
            service.controls().useVcpus(domain.id(), all, count);
        } catch (XenError e) {
            throw Refused.byXenStore(domain.config().name(), e);
        }
        return ControlReply.done();
    }

    /// Pins vCPUs, and waits until their threads have moved.
    private static ControlReply pin(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String soft = call.find(SOFT);
        if (soft != null && !soft.equals(SAME) && !soft.equals(ALL)) {
            throw new Refused("soft affinity " + soft + ": Linux has none");
        }
        Domain domain = service.named().named(call.one(DOMAIN));
        List<Vcpu> vcpus = vcpus(domain, call.one(VCPU));
        if (call.one(CPUS).equals(SAME)) {
            return ControlReply.done();
        }
        BitSet cpus = CpuRanges.parse(call.one(CPUS));
        if (!cpus.isEmpty() && !cpus.intersects(CpuAffinity.current())) {
            throw new Refused("the service may use none of the CPUs " + call.one(CPUS));
        }
        for (Vcpu vcpu : vcpus) {
            try {
                vcpu.requestPin(cpus).get(LIMIT.toNanos(), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                throw new Refused(
                        "vCPU %s gives no answer; it is pinned as soon as it can be"
                                .formatted(vcpu.id()));
            } catch (ExecutionException e) {
                throw new Refused("vCPU %s: %s".formatted(vcpu.id(), e.getCause()));
            }
        }
        return ControlReply.done();
    }

    private static List<Vcpu> vcpus(Domain domain, String which) throws Refused {
        if (which.equals(ALL)) {
            return domain.vcpus();
        }
        Integer number = Ints.tryParse(which);
        for (Vcpu vcpu : domain.vcpus()) {
            if (number != null && vcpu.id().value() == number) {
                return List.of(vcpu);
            }
        }
        throw new Refused("%s has no vCPU %s".formatted(domain.config().name(), which));
    }
}
