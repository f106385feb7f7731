package io.xenemu.core.cli;

import io.xenemu.core.cpuid.CannotOfferException;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.HostPolicy;
import io.xenemu.core.cpuid.PolicyFile;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.machine.VcpuModel;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.KvmSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `xen-emu cpu-policy`: the processor that guests of this host see, or of all hosts of a fleet, for `--cpu-baseline`.
@Command(
        name = "cpu-policy",
        description = {
            "Print what this host's processor offers guests, for --cpu-baseline.",
            "A host can offer a baseline if it has all that is in it."
        },
        sortOptions = false,
        mixinStandardHelpOptions = true)
final class CpuPolicyCommand implements Callable<Integer> {
    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            description = "Write it there instead, in place of an earlier file.")
    private @Nullable Path output;

    @Option(
            names = "--intersect",
            paramLabel = "FILE",
            arity = "1..*",
            description = "Print what the hosts of these policies have in common.")
    private List<Path> hosts = List.of();

    @Override
    public Integer call() throws HostException {
        String text = PolicyFile.format(hosts.isEmpty() ? host() : common());
        Path file = output;
        if (file == null) {
            System.out.print(text);
            return 0;
        }
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new HostException(file + ": cannot be written: " + IoReason.withoutFile(e), e);
        }
        return 0;
    }

    private static CpuPolicy host() throws HostException {
        try (KvmSystem kvm = KvmSystem.open(KvmSystem.DEVICE)) {
            return HostPolicy.baseline(VcpuModel.offerable(kvm));
        } catch (KvmException e) {
            throw new HostException(KvmSystem.DEVICE + ": " + e.getMessage(), e);
        }
    }

    private CpuPolicy common() throws HostException {
        try {
            CpuPolicy all = PolicyFile.read(hosts.getFirst());
            for (Path file : hosts.subList(1, hosts.size())) {
                all = all.intersect(PolicyFile.read(file));
            }
            return all;
        } catch (CannotOfferException e) {
            throw new HostException(e.getMessage(), e);
        }
    }
}
