package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.optional;

import com.google.common.primitives.Ints;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// xl's verbs for vCPUs.
final class VcpuCommands {
    private static final String DOMAIN = "domain";
    private static final String COUNT = "count";

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
                            one(COUNT)));

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
}
