package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu button-press`, xl's older form of `trigger`.
@Command(
        name = "button-press",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        description = "Press an ACPI button of a guest, as trigger does.")
final class ButtonPressCommand implements Callable<Integer> {
    enum Button {
        power,
        sleep
    }

    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
    private String domain = "";

    @Parameters(index = "1", paramLabel = "power|sleep", description = "The button.")
    private Button button = Button.power;

    @Override
    public Integer call() throws HostException {
        service.command("trigger", domain, button.name());
        return 0;
    }
}
