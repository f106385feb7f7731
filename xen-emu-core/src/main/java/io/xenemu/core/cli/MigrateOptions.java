package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.migration.MigrationMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// The options of a migration: how it reaches the other host, and how it goes.
final class MigrateOptions {
    /// The setting of a migration that only asks: it needs no further connections.
    static final String DRY_RUN = "dry-run=true";

    @Mixin private CarrierOptions carrier = new CarrierOptions();

    @Option(
            names = "--downtime-limit",
            paramLabel = "MS",
            description =
                    "Let the guest stand still when its last pages take no longer. Default: 300.")
    private @Nullable Integer downtimeLimit;

    @Option(
            names = "--bandwidth",
            paramLabel = "MIB",
            description = "The most MiB a second while the guest runs. Default: no limit.")
    private @Nullable Integer bandwidth;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description =
                    "Cancel the migration if the guest has not stopped by then. Default: never.")
    private @Nullable Integer timeout;

    @Option(
            names = "--force",
            description = "With --timeout: let the guest stand still then, however long it takes.")
    private boolean force;

    @Option(
            names = "--no-throttle",
            description = "Do not slow the guest down that writes faster than its pages are sent.")
    private boolean fullSpeed;

    @Option(
            names = "--trust-storage",
            description =
                    "Move the guest even if the other host does not see the locks of its disks: you know that they are the same there.")
    private boolean trustStorage;

    @Option(
            names = "--copy-storage",
            description =
                    "Copy the guest's raw images to new files of the same paths at the other host, while it runs. Not with --postcopy.")
    private boolean copyStorage;

    @Option(
            names = "--replace-storage",
            description =
                    "With --copy-storage: replace files that are there already. They are lost, even if the guest does not move in the end.")
    private boolean replaceStorage;

    @Option(
            names = "--postcopy",
            description =
                    "Let the guest go after one round of its memory, and its other pages follow it. If this host ends before all have, the guest is lost.")
    private boolean postCopy;

    @Option(
            names = "--streams",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Send the guest's pages over N connections, 1 to "
                            + MigrationMessage.MAX_STREAMS
                            + ", if one is slower than the network. "
                            + "For one guest, to HOST:PORT; not with --postcopy. Default: ${DEFAULT-VALUE}.")
    private int streams = 1;

    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec command;

    /// The settings for the service.
    ///
    /// @throws picocli.CommandLine.ParameterException if an option is of no use without another one
    List<String> words() {
        if (force && timeout == null) {
            throw WrongUse.of(command, "--force needs --timeout");
        }
        if (replaceStorage && !copyStorage) {
            throw WrongUse.of(command, "--replace-storage needs --copy-storage");
        }
        if (copyStorage && trustStorage) {
            throw WrongUse.of(
                    command, "--trust-storage is for disks that both hosts see: no --copy-storage");
        }
        if (streams < 1 || streams > MigrationMessage.MAX_STREAMS) {
            throw WrongUse.of(command, "--streams: 1 to " + MigrationMessage.MAX_STREAMS);
        }
        if (streams > 1 && postCopy) {
            throw WrongUse.of(
                    command, "--postcopy: pages that follow a guest come over one connection");
        }
        List<String> words = new ArrayList<>();
        if (streams > 1) {
            words.add("streams=" + streams);
        }
        add(words, "downtime-limit", downtimeLimit);
        add(words, "bandwidth", bandwidth);
        add(words, "timeout", timeout);
        if (force) {
            words.add("force=true");
        }
        if (trustStorage) {
            words.add("trust-storage=true");
        }
        if (copyStorage) {
            words.add("copy-storage=true");
        }
        if (replaceStorage) {
            words.add("replace-storage=true");
        }
        if (postCopy) {
            words.add("postcopy=true");
        }
        if (fullSpeed) {
            words.add("throttle=false");
        }
        return words;
    }

    private static void add(List<String> words, String name, @Nullable Integer value) {
        if (value != null) {
            words.add(name + "=" + value);
        }
    }

    /// Moves guests, and waits until they have left.
    ///
    /// @param socket of the service
    /// @param domains that move together
    /// @param settings for the service
    /// @return lines of text for the operator
    /// @throws HostException if they stay, with the reason
    List<String> migrate(Path socket, List<String> domains, String host, List<String> settings)
            throws HostException {
        List<String> words = new ArrayList<>(List.of("migrate", domains.getFirst(), host));
        domains.stream().skip(1).forEach(other -> words.add("with=" + other));
        words.addAll(settings);
        carrier.requireStreams(host, streams);
        boolean onlyAsks = settings.contains(DRY_RUN);
        return carrier.over(socket, host, words, onlyAsks ? 1 : streams);
    }
}
