package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// `xen-emu events`.
@Command(
        name = "events",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class EventsCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Override
    public Integer call() throws HostException {
        ControlClient.events(
                service.path(),
                event -> {
                    System.out.println(event);
                    System.out.flush();
                });
        return 0;
    }
}
