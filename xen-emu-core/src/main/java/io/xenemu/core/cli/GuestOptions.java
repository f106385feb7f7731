package io.xenemu.core.cli;

import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.gnttab.GrantLimits;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The options that say what a guest is.
final class GuestOptions {
    private static final String TWO_LEVEL = "2level";
    private static final String FIFO = "fifo";
    private static final Path RANDOM_UUID = Path.of("/proc/sys/kernel/random/uuid");

    /// The console's and XenStore's ports.
    private static final int MIN_EVENT_CHANNELS = 2;

    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec spec;

    @Option(
            names = "--kernel",
            required = true,
            paramLabel = "FILE",
            description =
                    "Linux bzImage, or 32- or 64-bit ELF image with a PVH entry note; may be packed by gzip.")
    private Path kernel = Path.of("");

    @Option(
            names = "--initrd",
            paramLabel = "FILE",
            description =
                    "Initramfs. For ELF kernels the modules in order; 'FILE ARGS' as one argument gives a module its"
                            + " command line.")
    private List<String> initrds = new ArrayList<>();

    @Option(names = "--append", paramLabel = "TEXT", description = "Kernel command line.")
    private String append = "";

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            defaultValue = "512M",
            converter = MemorySize.Converter.class,
            description =
                    "RAM: a number with K, M, G or T; MiB without. Default: ${DEFAULT-VALUE}.")
    private MemorySize memory = new MemorySize(1);

    @Option(
            names = "--vcpus",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Number of vCPUs, 1 to "
                            + DomainConfig.MAX_VCPUS
                            + ". Default: ${DEFAULT-VALUE}.")
    private int vcpus;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            defaultValue = "guest",
            description = "The domain's name in XenStore. Default: ${DEFAULT-VALUE}.")
    private String name = "";

    @Option(
            names = "--xen-version",
            paramLabel = "MAJOR.MINOR",
            defaultValue = "4.19",
            converter = XenVersion.Converter.class,
            description = "The Xen version that the guest sees. Default: ${DEFAULT-VALUE}.")
    private XenVersion xenVersion = new XenVersion(0, 0);

    @Option(
            names = "--evtchn",
            paramLabel = "2level|fifo",
            defaultValue = TWO_LEVEL,
            description =
                    "Event channel ABI: 2level is what KVM accelerates; fifo lets the guest choose, for more than 4095 ports"
                            + " and priorities. Default: ${DEFAULT-VALUE}.")
    private String evtchn = TWO_LEVEL;

    @Option(
            names = "--max-event-channels",
            paramLabel = "N",
            defaultValue = "" + EvtchnOptions.XL_MAX_PORT,
            description =
                    "The highest event channel port that the guest may have, as xl's max_event_channels. Default: ${DEFAULT-VALUE}.")
    private int maxEventChannels;

    @Option(
            names = "--max-grant-frames",
            paramLabel = "N",
            defaultValue = "" + GrantLimits.DEFAULT_MAX_FRAMES,
            description =
                    "Pages of grants that the guest may have, as xl's max_grant_frames. Default: ${DEFAULT-VALUE}.")
    private int maxGrantFrames;

    @Option(
            names = "--max-maptrack-frames",
            paramLabel = "N",
            defaultValue = "" + GrantLimits.DEFAULT_MAX_MAPTRACK_FRAMES,
            description =
                    "How many grants of others it may map, in pages, as xl's max_maptrack_frames. Default: ${DEFAULT-VALUE}.")
    private int maxMaptrackFrames;

    @Option(
            names = "--max-grant-version",
            paramLabel = "1|2",
            defaultValue = "2",
            description =
                    "The grant table version that it may use, as xl's max_grant_version. Default: ${DEFAULT-VALUE}.")
    private int maxGrantVersion;

    @Option(
            names = "--hvm-pirq",
            description =
                    "Let the guest route devices' interrupts over event channels, as xl's hvm_pirq.")
    private boolean hvmPirq;

    @Option(
            names = "--overcommit",
            description =
                    "Start it although the host may not have the memory for it beside the service's other guests. Then the host's kernel may"
                            + " end the service with all of them.")
    private boolean overcommit;

    /// The guest that was asked for.
    ///
    /// @param reboot whether it may reboot
    /// @throws ParameterException for a value that cannot be
    GuestRequest request(boolean reboot) {
        if (vcpus < 1 || vcpus > DomainConfig.MAX_VCPUS) {
            throw wrong("--vcpus: " + vcpus + " is not between 1 and " + DomainConfig.MAX_VCPUS);
        }
        EventChannelConfig events = events();
        GrantLimits grants = grants();
        try {
            DomainConfig config =
                    new DomainConfig(
                            name,
                            randomUuid(),
                            memory.bytes(),
                            vcpus,
                            xenVersion.packed(),
                            grants,
                            events);
            return new GuestRequest(config, kernel, initrds, append, reboot, overcommit);
        } catch (IllegalArgumentException e) {
            throw wrong("--name: " + e.getMessage());
        }
    }

    /// One of the kernel's (random(4)). The JDK's own would set up its security providers first, for a tenth of a start.
    private static UUID randomUuid() {
        try {
            return UUID.fromString(Files.readString(RANDOM_UUID).strip());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private GrantLimits grants() {
        try {
            return new GrantLimits(maxGrantFrames, maxMaptrackFrames, maxGrantVersion);
        } catch (IllegalArgumentException e) {
            throw wrong(
                    "--max-grant-frames, --max-maptrack-frames, --max-grant-version: "
                            + e.getMessage());
        }
    }

    private EventChannelConfig events() {
        boolean fifo = evtchn.equals(FIFO);
        if (!fifo && !evtchn.equals(TWO_LEVEL)) {
            throw wrong("--evtchn: '" + evtchn + "' is neither 2level nor fifo");
        }
        if (maxEventChannels < MIN_EVENT_CHANNELS) {
            throw wrong(
                    "--max-event-channels: "
                            + maxEventChannels
                            + " is less than the console and XenStore need ("
                            + MIN_EVENT_CHANNELS
                            + ")");
        }
        return new EventChannelConfig(fifo, maxEventChannels, hvmPirq);
    }

    private ParameterException wrong(String message) {
        if (spec == null) {
            throw new IllegalStateException("not a parsed command");
        }
        return new ParameterException(spec.commandLine(), message);
    }
}
