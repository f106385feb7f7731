package io.xenemu.core.cli;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.migration.PeekedChannel;
import io.xenemu.core.migration.SavedReport;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.xenimage.XenImageReader;
import io.xenemu.core.xenimage.XenImageReport;
import io.xenemu.kvm.abi.IoReason;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu inspect`: what is in a saved guest.
@Command(
        name = "inspect",
        description = {
            "Print what is in a file of saved guests, or an image of xl save, and check it.",
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
        List<String> lines;
        try (FileChannel in = open()) {
            lines = lines(new PeekedChannel(in, XenImageReader.MAGIC_BYTES));
        } catch (IOException e) {
            String name = file.equals(STANDARD_INPUT) ? "standard input" : file.toString();
            throw new HostException(name + ": " + TraceText.printable(IoReason.withoutFile(e)), e);
        }
        lines.forEach(System.out::println);
        return 0;
    }

    private List<String> lines(PeekedChannel in) throws IOException {
        if (!XenImageReader.begins(in.first())) {
            SavedReport report = SavedReport.read(in);
            return json ? List.of(SavedReportJson.line(report)) : SavedReportText.lines(report);
        }
        try (XenImageReader reader = new XenImageReader(in)) {
            XenImageReport report = reader.report(new WorkProgress());
            return json ? List.of(XenImageText.json(report)) : XenImageText.lines(report);
        }
    }

    private FileChannel open() throws IOException {
        return file.equals(STANDARD_INPUT)
                ? new FileInputStream(FileDescriptor.in).getChannel()
                : FileChannel.open(file);
    }
}
