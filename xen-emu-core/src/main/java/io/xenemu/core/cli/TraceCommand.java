package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.control.TraceJson;
import io.xenemu.core.device.StandardOutput;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.trace.CallDecoder;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.trace.TracedCall;
import io.xenemu.core.trace.TracedRecord;
import io.xenemu.kvm.abi.IoReason;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `xen-emu trace`.
@Command(
        name = "trace",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class TraceCommand implements Callable<Integer> {
    @Spec private @Nullable CommandSpec spec;
    @Mixin private ServiceOption service = new ServiceOption();

    @Option(
            names = {"-o", "--output"},
            paramLabel = "FILE",
            description =
                    "Record into this new file, and print nothing. It may contain secrets of the guest.")
    private @Nullable Path output;

    @Option(
            names = {"-i", "--input"},
            paramLabel = "FILE",
            description = "Print this recorded trace.")
    private @Nullable Path input;

    @Option(
            names = {"-f", "--filter"},
            paramLabel = "NAMES",
            description =
                    "What to record, with commas between: hypercalls (the default), exits, upcalls,"
                            + " xenstore, grants; or single hypercalls, such as"
                            + " event_channel_op,memory_op/add_to_physmap.")
    private @Nullable String filter;

    @Option(
            names = {"-n", "--count"},
            paramLabel = "RECORDS",
            description = "End after so many records.")
    private long count = Long.MAX_VALUE;

    @Option(names = "--json", description = "Print a JSON object a line.")
    private boolean json;

    @Parameters(arity = "0..1", paramLabel = "DOMAIN", description = "Its name or id.")
    private @Nullable String domain;

    /// Calls that were lost, by vCPU; events that were lost, at -1.
    private final Map<Integer, Long> lost = new HashMap<>();

    @Override
    public Integer call() throws HostException, IOException {
        Path recorded = input;
        String traced = domain;
        if (count < 1) {
            throw wrong("--count: " + count + " is less than 1");
        }
        if (recorded != null && traced == null && output == null && filter == null) {
            try (InputStream in = new BufferedInputStream(Files.newInputStream(recorded))) {
                read(in, OutputStream.nullOutputStream());
            } catch (IOException e) {
                throw new HostException(recorded + ": " + IoReason.withoutFile(e), e);
            }
            return 0;
        }
        if (recorded != null || traced == null) {
            throw wrong("either DOMAIN, or --input without a filter or an output");
        }
        record(traced);
        return 0;
    }

    private ParameterException wrong(String message) {
        CommandSpec own = spec;
        return new ParameterException(
                own == null ? new CommandLine(this) : own.commandLine(), message);
    }

    private void record(String traced) throws HostException {
        Path target = output;
        // The file is opened second, so that a trace that does not begin leaves none.
        try (InputStream trace = ControlClient.trace(service.path(), traced, filter);
                OutputStream file =
                        target == null ? OutputStream.nullOutputStream() : create(target)) {
            read(new BufferedInputStream(trace), file);
        } catch (IOException e) {
            throw new HostException("trace: " + IoReason.of(e), e);
        }
    }

    /// Creates the file, which must not exist. Only its owner may read it.
    private static OutputStream create(Path file) throws IOException {
        return Channels.newOutputStream(
                FileChannel.open(
                        file,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rw-------"))));
    }

    private void read(InputStream in, OutputStream copy) throws IOException {
        TraceReader reader = new TraceReader(in, copy);
        CallDecoder decoder = new CallDecoder(HypercallTable.standard());
        Function<TracedRecord, String> printer =
                json ? new TraceJson(decoder)::line : new TraceText(decoder)::line;
        long records = 0;
        while (records < count && !StandardOutput.failed()) {
            TracedRecord next = reader.next();
            if (next == null) {
                break;
            }
            records++;
            if (output == null) {
                print(next, printer);
                if (!reader.hasMore()) {
                    System.out.flush();
                }
            }
        }
        System.out.flush();
        tellEnd(reader, records);
    }

    private void print(TracedRecord next, Function<TracedRecord, String> printer) {
        // Calls are lost by vCPU, and events together.
        boolean isCall = next instanceof TracedCall;
        int source = isCall ? next.vcpu() : -1;
        long before = lost.getOrDefault(source, 0L);
        if (next.lost() > before && !json) {
            System.out.println(
                    "# %s %d %s were lost"
                            .formatted(
                                    isCall ? "v" + source + ":" : "--:",
                                    next.lost() - before,
                                    isCall ? "calls" : "events"));
        }
        lost.put(source, next.lost());
        System.out.println(printer.apply(next));
    }

    private void tellEnd(TraceReader reader, long records) {
        TraceReader.End end = reader.end();
        if (end != null) {
            System.err.println(
                    "xen-emu: %d records, %d lost: %s"
                            .formatted(records, end.lost(), TraceText.printable(end.reason())));
        } else if (output != null) {
            System.err.println("xen-emu: " + records + " records");
        }
    }
}
