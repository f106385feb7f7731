package io.xenemu.it.bench;

import io.xenemu.core.demo.DemoCommand;
import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.GuestInitramfs;
import io.xenemu.core.lab.GuestProgram;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestPrograms;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// One guest sends to another over a vchan with rings of 64 KiB, in blocks of several sizes. For comparison it sends
/// the same through a pipe between two of its processes. All run in one lab machine. Prints the rates, of which only
/// the ratios mean something elsewhere. There is no peer: QEMU's guests share no memory.
///
/// Argument, optional: SECONDS for which each measurement goes on at least (5).
public final class VchanBenchmark {
    private static final String SECONDS = "5";
    private static final String RING_BYTES = "65536";
    private static final String MODULES =
            "modprobe -a xen-evtchn xen-gntalloc xen-gntdev xen-privcmd; ";

    private VchanBenchmark() {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        String seconds = args.length > 0 ? args[0] : SECONDS;
        Path module = Path.of("").toAbsolutePath();
        GuestProgram rate = GuestPrograms.build("vchan-rate").getFirst();
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        LabImages.Kernel kernel = images.kernel("6.12");
        // The guest that is made second, in a service of its own, is domain 2.
        Path server =
                initramfs(images, kernel, rate, "vchan-rate server 2 data/rate " + RING_BYTES);
        Path client =
                initramfs(
                        images,
                        kernel,
                        rate,
                        "vchan-rate pipe %s; vchan-rate client 1 /local/domain/1/data/rate %s"
                                .formatted(seconds, seconds));
        List<String> command =
                List.of(
                        module.resolveSibling("xen-emu-core/bin/xen-emu").toString(),
                        "run",
                        "--lab",
                        "never",
                        "--kernel",
                        kernel.image().toString(),
                        "--initrd",
                        client.toString(),
                        DemoCommand.RECEIVER_OPTION,
                        server.toString(),
                        "--append",
                        "console=hvc0 quiet loglevel=2 panic=-1",
                        "--memory",
                        "256M",
                        "--no-reboot");
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            PrintingRun.of(machine, command, module);
        } finally {
            Files.delete(server);
            Files.delete(client);
        }
    }

    private static Path initramfs(
            LabImages images, LabImages.Kernel kernel, GuestProgram program, String command)
            throws IOException {
        Path file = Files.createTempFile(Path.of("target").toAbsolutePath(), "vchan", ".cpio");
        GuestInitramfs.write(
                images, kernel, Optional.of(MODULES + command), List.of(program), file);
        return file;
    }
}
