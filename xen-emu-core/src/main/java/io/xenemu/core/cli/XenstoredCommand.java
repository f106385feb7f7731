package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.service.StoreDaemon;
import io.xenemu.core.service.StoreDaemonRequest;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `xen-emu xenstored`: the store alone.
@Command(
        name = "xenstored",
        description = {
            "Run a XenStore alone, without KVM and without guests, in the foreground until SIGTERM.",
            "Only root and the user that the daemon runs as may connect."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:SIGTERM or SIGINT",
            "1:the host failed (a message says what)",
            "2:the command line is wrong"
        },
        footerHeading = "%nWith systemd, which makes the socket before anybody needs it:%n%n",
        footer = {
            "  # /etc/systemd/system/xenstored.socket",
            "  [Socket]",
            "  ListenStream=/run/xenstored/socket",
            "  SocketMode=0600",
            "  [Install]",
            "  WantedBy=sockets.target",
            "",
            "  # /etc/systemd/system/xenstored.service",
            "  [Service]",
            "  ExecStart=/path/to/xen-emu xenstored --persist /var/lib/xenstored/store",
            "  StateDirectory=xenstored"
        })
final class XenstoredCommand implements Callable<Integer> {
    @Option(
            names = "--socket",
            paramLabel = "PATH",
            description =
                    "Socket to listen on. Default: the one that systemd passes (StandardInput=socket), else the path in"
                            + " XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket.")
    private @Nullable Path socket;

    @Option(
            names = "--restore",
            paramLabel = "FILE",
            description =
                    "Start with the nodes of a file of `xen-emu xenstore dump`, or of another daemon in"
                            + " the same format (docs/designs/xenstore-migration.md of Xen).")
    private @Nullable Path restore;

    @Option(
            names = "--persist",
            paramLabel = "FILE",
            description =
                    "Keep the store in this file: every acknowledged change survives any end of the process."
                            + " All nodes are kept, with their permissions; connections, watches and"
                            + " transactions are not.")
    private @Nullable Path persist;

    @Mixin private QuotaOptions quotas = new QuotaOptions();

    @Mixin private DaemonOptions daemon = new DaemonOptions();

    @Override
    public Integer call() throws HostException {
        StoreDaemon service =
                new StoreDaemon(
                        new StoreDaemonRequest(
                                socket,
                                daemon.pidFile,
                                quotas.quotas(),
                                restore,
                                persist,
                                daemon.metrics));
        return DaemonProcess.run(service::run, service::stop, () -> {});
    }
}
