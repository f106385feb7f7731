package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.optional;

import io.xenemu.core.guest.GuestSetting;
import io.xenemu.core.host.HostFacts;
import io.xenemu.core.host.HostMemory;
import io.xenemu.core.hypercall.XenIdentity;
import io.xenemu.core.json.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// xl's verbs about the host and what all domains take of it.
final class HostCommands {
    private static final String ITEM = "item";
    private static final String CLEAR = "clear";
    private static final int KIB_SHIFT = 10;
    private static final int MIB_SHIFT = 20;
    private static final String PAGE = "4096";

    static final List<Verb> VERBS =
            List.of(
                    Verb.reads(
                            "info",
                            "Print what the host is, or one item of it. free_memory is what the kernel "
                                    + "could give to the service, also of what guests may have and do not use.",
                            HostCommands::info,
                            optional(ITEM)),
                    Verb.reads(
                            "top",
                            "Show again and again what domains use of CPUs, memory, network and disks, as "
                                    + "xentop. Traffic needs a service with --metrics; otherwise it is shown as -.",
                            HostCommands::top),
                    Verb.reads(
                            "dmesg",
                            "Print the last lines of the service's log, as xl prints the hypervisor's. With "
                                    + "-c they are not kept.",
                            (_, call) -> dmesg(call),
                            flag(CLEAR)));

    private HostCommands() {}

    private static ControlReply info(OperatedService service, VerbCall call) {
        String item = call.find(ITEM);
        Map<String, String> facts = facts(HostFacts.ofThisHost());
        List<String> lines = new ArrayList<>();
        Json.Obj data = Json.EMPTY;
        for (Map.Entry<String, String> fact : facts.entrySet()) {
            if (item == null) {
                lines.add("%-23s: %s".formatted(fact.getKey(), fact.getValue()).stripTrailing());
            } else if (fact.getKey().startsWith(item)) {
                lines.add(fact.getValue());
            }
            data = data.with(fact.getKey(), fact.getValue());
        }
        return ControlReply.rows(lines).with("info", data);
    }

    /// xl's items, in its order, without those of a hypervisor that was compiled and started.
    private static Map<String, String> facts(HostFacts host) {
        String version = String.valueOf(GuestSetting.XEN_VERSION.initial());
        int dot = version.indexOf('.');
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("host", host.name());
        facts.put("release", host.release());
        facts.put("version", host.version());
        facts.put("machine", "x86_64");
        facts.put("nr_cpus", Integer.toString(host.cpus()));
        facts.put("max_cpu_id", Integer.toString(host.lastCpu()));
        facts.put("nr_nodes", Integer.toString(host.nodes()));
        facts.put("cores_per_socket", Integer.toString(host.coresPerSocket()));
        facts.put("threads_per_core", Integer.toString(host.threadsPerCore()));
        facts.put("cpu_mhz", String.format(Locale.ROOT, "%.3f", host.mhz()));
        facts.put("virt_caps", "hvm gnttab-v1 gnttab-v2");
        facts.put("total_memory", Long.toString(host.memoryKib() >> KIB_SHIFT));
        facts.put("free_memory", Long.toString(HostMemory.ofThisHost().available() >> MIB_SHIFT));
        facts.put("sharing_freed_memory", "0");
        facts.put("sharing_used_memory", "0");
        facts.put("outstanding_claims", "0");
        facts.put("free_cpus", "0");
        facts.put("xen_major", version.substring(0, dot));
        facts.put("xen_minor", version.substring(dot + 1));
        facts.put("xen_extra", XenIdentity.EXTRAVERSION);
        facts.put("xen_version", version + XenIdentity.EXTRAVERSION);
        facts.put("xen_caps", XenIdentity.CAPABILITIES.strip());
        facts.put("xen_scheduler", "linux");
        facts.put("xen_pagesize", PAGE);
        facts.put("xend_config_format", "4");
        return facts;
    }

    private static ControlReply dmesg(VerbCall call) {
        LogRing ring = LogRing.ofThisProcess();
        return ControlReply.rows(ring == null ? List.of() : ring.lines(call.has(CLEAR)));
    }

    private static ControlReply top(OperatedService service, VerbCall call) {
        Map<String, DomainTraffic> traffic = DomainTraffic.all(service.meters());
        List<TopTable.Row> rows = new ArrayList<>();
        service.domains()
                .forEach(domain ->
                        rows.add(
                                new TopTable.Row(
                                        DomainRow.of(domain),
                                        traffic.getOrDefault(
                                                Integer.toString(domain.id().value()),
                                                DomainTraffic.NONE))));
        long memory = HostMemory.ofThisHost().total() >> KIB_SHIFT;
        TopTable table = new TopTable(rows, memory, System.nanoTime());
        return ControlReply.rows(table.lines(table, false))
                .with("domains", table.json())
                .with("memory_kib", new Json.Int(memory));
    }
}
