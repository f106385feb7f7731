package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `xen-emu evacuate`: a migration of each guest or group of guests, a few at a time.
@Command(
        name = "evacuate",
        description = {
            "Move all guests to another host while they run, as migrate does.",
            "Guests that share pages or event channels move together.",
            "A guest that cannot move goes on here, and the others move. A line for each one says how it went."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:all guests have moved", "1:some stay here"})
final class EvacuateCommand implements Callable<Integer> {
    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    @Spec private @Nullable CommandSpec spec;
    @Mixin private ServiceOption service = new ServiceOption();

    @Parameters(paramLabel = "HOST", description = "As that of migrate.")
    private String host = "";

    @Option(
            names = "--parallel",
            paramLabel = "N",
            defaultValue = "2",
            description = "Move as many guests at the same time. Default: ${DEFAULT-VALUE}.")
    private int parallel;

    @Mixin private MigrateOptions options = new MigrateOptions();

    @Override
    public Integer call() throws HostException, InterruptedException {
        List<String> settings = options.words();
        if (parallel < 1) {
            throw WrongUse.of(spec, "--parallel: at least 1");
        }
        Path socket = service.path();
        List<List<String>> groups = ControlClient.groups(socket);
        row("Name", "Time(s)", "Result");
        boolean all = true;
        try (ExecutorService movers = Executors.newFixedThreadPool(parallel)) {
            List<Future<Boolean>> moves = new ArrayList<>();
            for (List<String> group : groups) {
                moves.add(movers.submit(() -> move(socket, group, settings)));
            }
            for (Future<Boolean> move : moves) {
                all &= result(move);
            }
        }
        return all ? 0 : ExitCode.HOST_ERROR;
    }

    private boolean move(Path socket, List<String> group, List<String> settings) {
        long begun = System.nanoTime();
        String result;
        boolean left = false;
        try {
            result = String.join(", ", options.migrate(socket, group, host, settings));
            left = true;
        } catch (HostException e) {
            result = (group.size() == 1 ? "stays: " : "stay: ") + e.getMessage();
        }
        double seconds = (System.nanoTime() - begun) / SECOND;
        row(String.join(", ", group), String.format(Locale.ROOT, "%.1f", seconds), result);
        return left;
    }

    private static boolean result(Future<Boolean> move) throws InterruptedException {
        try {
            return move.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    private static void row(String name, String time, String result) {
        System.out.println(String.format(Locale.ROOT, "%-40s %8s  %s", name, time, result));
    }
}
