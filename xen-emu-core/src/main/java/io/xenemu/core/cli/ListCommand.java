package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.control.DomainRow;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.IndentedJson;
import io.xenemu.core.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu list`, as xl's but without domain 0, which is the service itself.
@Command(
        name = "list",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class ListCommand implements Callable<Integer> {
    private static final int KIB_SHIFT = 10;

    @Mixin private ServiceOption service = new ServiceOption();

    @Option(
            names = {"-l", "--long"},
            description = "Print what each guest is, in JSON.")
    private boolean asJson;

    @Option(
            names = {"-v", "--verbose"},
            description = "Show UUIDs, and reasons for which guests have stopped.")
    private boolean verbose;

    @Parameters(
            arity = "0..*",
            paramLabel = "DOMAIN",
            description = "Guest's name or domain id. Default: all guests.")
    private List<String> domains = new ArrayList<>();

    @Override
    public Integer call() throws HostException {
        if (asJson) {
            List<DomainRow> rows = ControlClient.domains(service.path(), domains);
            Json all = new Json.Array(rows.stream().map(ListCommand::json).toList());
            IndentedJson.lines(all).forEach(System.out::println);
        } else if (verbose || domains.size() > 1) {
            List<DomainRow> rows = ControlClient.domains(service.path(), domains);
            List<String> lines = verbose ? DomainRow.longTable(rows) : DomainRow.table(rows);
            lines.forEach(System.out::println);
        } else {
            List<String> words = new ArrayList<>(List.of("list"));
            words.addAll(domains);
            service.command(words.toArray(String[]::new));
        }
        return 0;
    }

    /// The domain in the form of libxl's `libxl_domain_config`, as far as the service's list has it.
    private static Json json(DomainRow row) {
        Json.Obj create =
                Json.EMPTY.with("type", "pvh").with("name", row.name()).with("uuid", row.uuid());
        Json.Obj build =
                Json.EMPTY
                        .with("max_vcpus", row.vcpus())
                        .with("max_memkb", row.maxMemoryMib() << KIB_SHIFT)
                        .with("target_memkb", row.memoryMib() << KIB_SHIFT);
        Json.Obj config = Json.EMPTY.with("c_info", create).with("b_info", build);
        return Json.EMPTY.with("domid", row.id()).with("config", config);
    }
}
