package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.service.Daemon;
import io.xenemu.core.service.DaemonRequest;
import io.xenemu.core.service.StoreSocketPath;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `xen-emu daemon`: any number of guests.
@Command(
        name = "daemon",
        description = {
            "Host any number of guests, which share one XenStore, in the foreground until SIGTERM.",
            "create starts guests, and list, pause, shutdown, destroy and so on work on them. SIGTERM asks all of"
                    + " them to power off, and a second one ends them at once."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:SIGTERM or SIGINT",
            "1:the host failed (a message says what)",
            "2:the command line is wrong"
        })
final class DaemonCommand implements Callable<Integer> {
    @Option(
            names = "--control-socket",
            paramLabel = "PATH",
            description =
                    "Control socket, where the other commands find the daemon. Default: the path in "
                            + ControlClient.SOCKET_VARIABLE
                            + ", else "
                            + ControlClient.DEFAULT_SOCKET
                            + ".")
    private @Nullable Path controlSocket;

    @Mixin private ControlGroup group = new ControlGroup();

    @Option(
            names = "--attach-socket",
            paramLabel = "PATH",
            description =
                    "Socket at which VMMs of the same user attach their machines, to have their guests served. Default:"
                            + " none.")
    private @Nullable Path attachSocket;

    @Option(
            names = "--device-socket",
            paramLabel = "PATH",
            description =
                    "Socket at which processes of remote devices of the same user get interrupt lines of guests. Default: none.")
    private @Nullable Path deviceSocket;

    @Option(
            names = "--xenstore-socket",
            paramLabel = "PATH",
            description =
                    "Socket where host tools find XenStore. Default: the path in XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else"
                            + " /run/xenstored/socket.")
    private @Nullable Path xenstoreSocket;

    @Mixin private StopOption stop = new StopOption();

    @Mixin private DumpOption dumps = new DumpOption();

    @Mixin private QuotaOptions quotas = new QuotaOptions();

    @Mixin private EngineOptions engines = new EngineOptions();

    @Mixin private DomainIdOption domids = new DomainIdOption();

    @Mixin private MigrationFolderOption migrations = new MigrationFolderOption();

    @Mixin private DaemonOptions daemon = new DaemonOptions();

    @Option(
            names = "--upgrade",
            description =
                    "Take over the guests of the daemon at the control socket, which ends then; if that fails, it goes"
                            + " on. xen-emu upgrade tells what is against it.")
    private boolean upgrade;

    @Override
    public Integer call() throws HostException {
        Path store = xenstoreSocket != null ? xenstoreSocket : StoreSocketPath.of(System.getenv());
        Daemon service =
                new Daemon(
                        new DaemonRequest(
                                ControlClient.socket(controlSocket),
                                group.name,
                                attachSocket,
                                deviceSocket,
                                store,
                                quotas.quotas(),
                                engines.engines(),
                                domids.policy,
                                stop.limit(),
                                dumps.folder,
                                migrations.folder,
                                daemon.metrics,
                                daemon.pidFile,
                                upgrade));
        return DaemonProcess.run(service::run, service::stop, service::stopAtOnce);
    }
}
