package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.migration.SavedReport;
import io.xenemu.core.trace.TraceText;
import io.xenemu.kvm.abi.IoReason;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu inspect`: what is in a saved guest.
@Command(
        name = "inspect",
        description = {
            "Print what is in a file of saved guests, and check it.",
            "All checksums are checked, and all pages are decompressed; nothing is started."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:the file is whole", "1:it is not, or cannot be read"})
final class InspectCommand implements Callable<Integer> {
    private static final Path STANDARD_INPUT = Path.of("-");

    @Parameters(paramLabel = "FILE", description = "A saved guest; - is standard input.")
    private Path file = Path.of("");

    @Option(names = "--json", description = "Print it as JSON, on one line.")
    private boolean json;

    @Override
    public Integer call() throws HostException {
        SavedReport report;
        try (FileChannel in = open()) {
            report = SavedReport.read(in);
        } catch (IOException e) {
            String name = file.equals(STANDARD_INPUT) ? "standard input" : file.toString();
            throw new HostException(name + ": " + TraceText.printable(IoReason.withoutFile(e)), e);
        }
        if (json) {
            System.out.println(SavedReportJson.line(report));
        } else {
            SavedReportText.lines(report).forEach(System.out::println);
        }
        return 0;
    }

    private FileChannel open() throws IOException {
        return file.equals(STANDARD_INPUT)
                ? new FileInputStream(FileDescriptor.in).getChannel()
                : FileChannel.open(file);
    }
}
