package io.xenemu.core.cli;

import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.replay.Replay;
import io.xenemu.core.replay.ReplayException;
import io.xenemu.core.replay.ReplayReport;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TraceText;
import io.xenemu.kvm.abi.IoReason;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// `xen-emu replay`. Its exit codes are those of diff(1).
@Command(
        name = "replay",
        description =
                "Make the hypercalls of a recorded trace again, without the guest, and report the"
                        + " first result that differs.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:all results that can be compared are the same",
            "1:a result differs",
            "2:the file is no trace, or cannot be replayed to its end"
        })
final class ReplayCommand implements Callable<Integer> {
    private static final int DIFFERENT = 1;
    private static final int TROUBLE = 2;

    @Parameters(paramLabel = "FILE", description = "A trace that 'trace --output' has written.")
    private Path file = Path.of("");

    @Override
    public Integer call() {
        ReplayReport report;
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            report = Replay.run(HypercallTable.standard(), new TraceReader(in));
        } catch (ReplayException e) {
            return trouble(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            return trouble(IoReason.withoutFile(e));
        }
        report.lines().forEach(System.out::println);
        return report.difference() == null ? 0 : DIFFERENT;
    }

    private int trouble(String reason) {
        System.err.println("xen-emu: " + file + ": " + TraceText.printable(reason));
        return TROUBLE;
    }
}
