package io.xenemu.core.cli;

import com.google.common.net.HostAndPort;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.demo.DemoCommand;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSetting;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.guest.RunOutcome;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.lab.LabRun;
import io.xenemu.core.service.GuestRun;
import io.xenemu.core.service.RunRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// `xen-emu run`: one guest in the foreground.
@Command(
        name = "run",
        description = {
            "Run a Xen guest in the foreground until it stops.",
            "SIGTERM asks it to power off, and a second one ends it at once."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        modelTransformer = GuestOptions.class,
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:the guest powered off, or was saved",
            "1:the host failed (a message says what)",
            "2:the command line is wrong",
            "3:the guest rebooted, and was not to boot again (--no-reboot), or had rebooted too often",
            "4:the guest crashed, or was crashed",
            "5:a vCPU of the guest triple-faulted, and the guest was not to reboot, or had done so too often",
            "6:the guest shut down for another reason",
            "124:--timeout ran out",
            "130:interrupted (Ctrl-C)",
            "143:terminated (SIGTERM)"
        })
final class RunCommand implements Callable<Integer> {
    enum Stream {
        stdio,
        none
    }

    enum Lab {
        auto,
        always,
        never
    }

    @Spec private @Nullable CommandSpec spec;

    @Option(
            names = "--console",
            paramLabel = "stdio|none",
            defaultValue = "stdio",
            description = "Where the Xen PV console (hvc0) goes. Default: ${DEFAULT-VALUE}.")
    private Stream console = Stream.stdio;

    @Option(
            names = "--serial",
            paramLabel = "stdio|none",
            defaultValue = "none",
            description =
                    "Where the serial port (ttyS0) goes. With both on stdio, output is mixed and input goes to the"
                            + " console. Default: ${DEFAULT-VALUE}.")
    private Stream serial = Stream.none;

    @Option(
            names = "--xenstore-socket",
            paramLabel = "PATH",
            description =
                    "Serve XenStore to host tools on this Unix socket (set XENSTORED_PATH to it).")
    private @Nullable Path xenstoreSocket;

    @Mixin private QuotaOptions quotas = new QuotaOptions();

    @Mixin private EngineOptions engines = new EngineOptions();

    @Mixin private DomainIdOption domids = new DomainIdOption();

    @Option(
            names = "--control-socket",
            paramLabel = "PATH",
            description =
                    "Serve list, pause, shutdown, trigger and the like on this Unix socket. Not with the lab.")
    private @Nullable Path controlSocket;

    @Mixin private ControlGroup group = new ControlGroup();

    @Option(
            names = "--metrics",
            paramLabel = "HOST:PORT",
            converter = MetricsAddress.class,
            description = "Serve Prometheus metrics at http://HOST:PORT/metrics.")
    private @Nullable HostAndPort metrics;

    @Option(
            names = "--lab",
            paramLabel = "auto|always|never",
            defaultValue = "auto",
            description =
                    "Run in the lab, a software-emulated machine whose KVM has Xen support: auto does so when the host's"
                            + " KVM has none. Default: ${DEFAULT-VALUE}.")
    private Lab lab = Lab.auto;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "Stop the guest after this time, with exit code 124.")
    private @Nullable Long timeout;

    @Mixin private StopOption stop = new StopOption();

    @Mixin private DumpOption dumps = new DumpOption();

    @Option(
            names = "--no-reboot",
            description =
                    "End with exit code 3 when the guest reboots, and 5 at a triple fault: --on-reboot destroy.")
    private boolean noReboot;

    /// The initramfs of a second guest with the same kernel: see [DemoCommand].
    @Option(names = DemoCommand.RECEIVER_OPTION, hidden = true)
    private @Nullable String receiver;

    @Option(names = LabRun.RELAY_OPTION, hidden = true)
    private @Nullable Integer labRelay;

    @Override
    public Integer call() throws HostException, BootException, IOException, InterruptedException {
        Termination termination = new Termination();
        RunRequest request = request();
        request.guest().check();
        GuestRequest beside = request.beside();
        if (beside != null) {
            beside.check();
        }
        if (lab == Lab.always || (lab == Lab.auto && !HostKvm.isUsable())) {
            if (controlSocket != null) {
                throw new HostException("--control-socket: a run in the lab has none");
            }
            return LabRun.ofThisProgram(line -> System.err.println("xen-emu: " + line))
                    .runInLab(arguments(), termination::handle);
        }
        GuestRun run = new GuestRun(request);
        termination.handle(run::terminate);
        RunOutcome outcome = run.run();
        return termination.isAsked() ? ExitCode.TERMINATED : code(outcome);
    }

    private RunRequest request() {
        if (timeout != null && timeout < 1) {
            throw wrong("--timeout: " + timeout + " is not a positive number of seconds");
        }
        if (group.name != null && controlSocket == null) {
            throw wrong(ControlGroup.OPTION + ": there is no --control-socket");
        }
        GuestSettings settings = GuestOptions.settings(command(), !noReboot);
        GuestRequest first = GuestOptions.request(command(), settings);
        if (!settings.values().get(GuestSetting.DEVICE_MODEL).isEmpty()) {
            throw wrong("--device-model: only a daemon has device models");
        }
        if (first.ends().renames()) {
            throw wrong("rename-restart: only a daemon can keep a second guest");
        }
        return new RunRequest(
                first,
                receiver == null ? null : first.sibling(DemoCommand.RECEIVER, receiver),
                console == Stream.stdio,
                serial == Stream.stdio,
                xenstoreSocket,
                quotas.quotas(),
                engines.engines(),
                domids.policy,
                controlSocket,
                group.name,
                dumps.folder,
                metrics,
                timeout == null ? null : Duration.ofSeconds(timeout),
                stop.limit(),
                labRelay);
    }

    /// The words after `run` on the command line.
    private List<String> arguments() {
        List<String> all = command().root().commandLine().getParseResult().originalArgs();
        return List.copyOf(all.subList(all.indexOf("run") + 1, all.size()));
    }

    private CommandSpec command() {
        if (spec == null) {
            throw new IllegalStateException("not a parsed command");
        }
        return spec;
    }

    private ParameterException wrong(String message) {
        return new ParameterException(command().commandLine(), message);
    }

    private static int code(RunOutcome outcome) {
        return switch (outcome) {
            case POWEROFF, SAVED -> ExitCode.POWEROFF;
            case REBOOT -> ExitCode.REBOOT;
            case CRASH -> ExitCode.CRASH;
            case TRIPLE_FAULT -> ExitCode.TRIPLE_FAULT;
            case OTHER_SHUTDOWN -> ExitCode.OTHER_SHUTDOWN;
            case TIMEOUT -> ExitCode.TIMEOUT;
            case HOST_ERROR, STOPPED -> ExitCode.HOST_ERROR;
        };
    }
}
