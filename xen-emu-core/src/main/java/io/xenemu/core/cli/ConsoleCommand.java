package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.device.StandardOutput;
import io.xenemu.core.device.Terminal;
import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu console`, as xl's.
@Command(
        name = "console",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class ConsoleCommand implements Callable<Integer> {
    enum Kind {
        pv,
        serial
    }

    @Mixin private ServiceOption service = new ServiceOption();

    @Option(
            names = {"-t", "--type"},
            paramLabel = "pv|serial",
            defaultValue = "pv",
            description =
                    "The PV console (hvc0) or the serial port (ttyS0). Default: ${DEFAULT-VALUE}.")
    private Kind kind = Kind.pv;

    @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
    private String domain = "";

    @Override
    public Integer call() throws HostException {
        ControlClient.Console console = ControlClient.console(service.path(), kind.name(), domain);
        try (Terminal _ = Terminal.raw()) {
            console.connect(new EscapableInput(System.in), StandardOutput.stream());
        }
        return 0;
    }
}
