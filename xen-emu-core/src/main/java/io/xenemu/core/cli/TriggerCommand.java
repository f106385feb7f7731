package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// `xen-emu trigger`, as xl's.
@Command(
        name = "trigger",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class TriggerCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
    private String domain = "";

    @Parameters(
            index = "1",
            paramLabel = "nmi|reset|init|power|sleep|s3resume",
            description = "The trigger.")
    private String trigger = "";

    @Parameters(
            index = "2",
            arity = "0..1",
            paramLabel = "VCPU",
            description = "The vCPU that gets an nmi. Default: 0.")
    private int vcpu;

    @Override
    public Integer call() throws HostException {
        service.command("trigger", domain, trigger, Integer.toString(vcpu));
        return 0;
    }
}
