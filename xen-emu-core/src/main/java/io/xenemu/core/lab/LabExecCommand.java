package io.xenemu.core.lab;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// `xen-emu lab exec -- CMD...`: runs one command in a new lab machine, as if it ran here.
@Command(
        name = "exec",
        description = {
            "Run a command in the lab machine, with this machine's files visible read-only.",
            "Exits with the command's exit status, or 125 when there can be no lab here."
        },
        mixinStandardHelpOptions = true)
public final class LabExecCommand implements Callable<Integer> {
    /// Exit status when the lab is not available; `env` and `docker run` use it for their own failures.
    static final int NO_LAB = 125;

    @Parameters(arity = "1..*", paramLabel = "CMD", description = "The command and its arguments.")
    private List<String> command = List.of();

    @Override
    public Integer call() throws InterruptedException {
        LabImages images =
                new LabImages(
                        CacheFolder.of(System.getenv()),
                        line -> System.err.println("xen-emu: " + line));
        try (LabMachine machine = LabMachine.boot(images)) {
            return ForegroundCommand.run(machine, command);
        } catch (IOException e) {
            System.err.println("xen-emu: " + IoReason.of(e));
            return NO_LAB;
        }
    }
}
