package io.xenemu.core.lab;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/// `xen-emu lab setup`: fetches everything that the lab, the demo and the tests use, so that they need no network
/// later.
@Command(
        name = "setup",
        description = "Fetch the files of the lab and the demo. Otherwise the first use does it.",
        mixinStandardHelpOptions = true)
public final class LabSetupCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        LabImages images =
                new LabImages(
                        CacheFolder.of(System.getenv()),
                        line -> System.err.println("xen-emu: " + line));
        try {
            LabImages.Kernel kernel = images.kernel("6.12");
            L1Initramfs.of(images, kernel);
            images.qemu();
        } catch (IOException e) {
            System.err.println("xen-emu: " + IoReason.of(e));
            return LabExecCommand.NO_LAB;
        }
        return 0;
    }
}
