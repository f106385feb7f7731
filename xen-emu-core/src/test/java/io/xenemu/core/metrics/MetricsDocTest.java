package io.xenemu.core.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.core.backend.BackendMetrics;
import io.xenemu.core.backend.block.BlockMetrics;
import io.xenemu.core.backend.console.ConsoleBytes;
import io.xenemu.core.backend.console.ConsoleMetrics;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.backend.nbd.NbdMetrics;
import io.xenemu.core.backend.net.NetMetrics;
import io.xenemu.core.backend.p9.P9Metrics;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.device.ConsoleRing;
import io.xenemu.core.device.DeviceMetrics;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.RemoteLineCounters;
import io.xenemu.core.docs.Document;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallMetrics;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.hypervisor.EndMetrics;
import io.xenemu.core.hypervisor.MigrationMetrics;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.hypervisor.UpdateMetrics;
import io.xenemu.core.machine.ExitMetrics;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EventChannelMetrics;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.gnttab.GrantTableMetrics;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.persist.JournalMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.Ring;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The table of metrics.md has the name and tags of every meter.
final class MetricsDocTest {
    /// A meter's name in the source that registers it. kvm-bindings has no meters, but structures with members of such
    /// names.
    private static final Pattern NAME = Pattern.compile("\"(xen(?:\\.[a-z]+)+)\"");

    private static final List<String> MODULES =
            List.of("xen-evtchn", "xen-gnttab", "xen-xenstore", "xen-emu-core");

    private static final DomId GUEST = new DomId(3);
    private static final int SPECIAL_PAGES = 10;
    private static final long NO_HYPERCALL = 63;

    /// The registered meters.
    ///
    /// @param text the meters as Prometheus gets them
    private record Scrape(List<Meter> meters, String text) {}

    private final PrometheusMeterRegistry registry =
            new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

    private final RemoteLineCounters remoteLines = new RemoteLineCounters(() -> 0);

    /// The meters of a service with one guest, and of a store that is kept in a file.
    private Scrape registered() throws BootException, XenError {
        try (TestDomain guest = new TestDomain(1);
                Arena arena = Arena.ofShared();
                HostResources host = HostResources.ofThisHost();
                DomainResources resources = DomainResources.open(host, 1, SPECIAL_PAGES);
                XenStoreServer store =
                        new XenStoreServer(
                                Quotas.DEFAULT,
                                GuestDomains.NONE,
                                new XenStoreMetrics(registry),
                                Runnable::run)) {
            host.register(registry);
            resources.register(registry, GUEST);
            PortAccount.ofThisHeap().register(registry);
            HypercallTable table = HypercallTable.standard();
            HypercallContext call = guest.caller(0, true);
            call.begin(NO_HYPERCALL, 0);
            new HypercallDispatcher(
                            table,
                            new HypercallMetrics(registry, GUEST, table).newVcpu(),
                            reason -> {})
                    .dispatch(call);
            new ExitMetrics(registry, GUEST).newVcpu().add(ExitReason.IO);
            DeviceMetrics devices = new DeviceMetrics(registry, GUEST);
            devices.add(new PortBus(List.of()));
            devices.add(
                    new ConsoleRing(
                            arena.allocate(GuestMemory.PAGE_SIZE, Integer.BYTES),
                            ByteSink.DISCARD,
                            ByteSource.NONE,
                            () -> {}));
            devices.add(remoteLines);
            devices.addThrottled(new LongAdder());
            devices.addLostLines("debug", new LongAdder());
            new EventChannelMetrics(registry, GUEST);
            new GrantTableMetrics(registry, GUEST);
            new BackendMetrics(
                    registry,
                    new PvDevice(DeviceKind.VBD, GUEST, DomId.DOM0, 0),
                    () -> XenbusState.CONNECTED);
            new BlockMetrics(registry, GUEST, 0);
            new NbdMetrics(registry, GUEST, 0, new NoRequests());
            new NetMetrics(registry, new PvDevice(DeviceKind.VIF, GUEST, DomId.DOM0, 0))
                    .reconnections(() -> 0);
            new P9Metrics(
                    registry, new PvDevice(DeviceKind.P9, GUEST, DomId.DOM0, 0), () -> 0, () -> 0);
            new ConsoleMetrics(
                    registry,
                    new PvDevice(DeviceKind.CONSOLE, GUEST, DomId.DOM0, 1),
                    new ConsoleBytes(),
                    () -> 0);
            store.introduce(
                    GUEST,
                    new Ring(arena.allocate(GuestMemory.PAGE_SIZE, Integer.BYTES), () -> {}));
            new JournalMetrics(registry);
            new Engines(List.of(EngineSpec.parse("block:0")), registry).close();
            new SaveMetrics(registry);
            new MigrationMetrics(registry);
            new UpdateMetrics(registry);
            new EndMetrics(registry);
            return new Scrape(registry.getMeters(), registry.scrape());
        }
    }

    /// A disk that has done nothing.
    private static final class NoRequests implements NbdMetrics.Counted {
        @Override
        public long reconnects() {
            return 0;
        }

        @Override
        public long restarts() {
            return 0;
        }

        @Override
        public int inFlight() {
            return 0;
        }

        @Override
        public long unflushed() {
            return 0;
        }
    }

    private static Set<String> inSources() throws IOException {
        Set<String> names = new TreeSet<>();
        for (String module : MODULES) {
            try (Stream<Path> files = Files.walk(Path.of("..", module, "src/main/java"))) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    NAME.matcher(Files.readString(file))
                            .results()
                            .forEach(name -> names.add(name.group(1)));
                }
            }
        }
        return names;
    }

    /// A meter as Prometheus gets it: its name, and the names of its tags.
    private String row(Meter meter, String text) {
        Meter.Id id = meter.getId();
        String base =
                registry.config()
                        .namingConvention()
                        .name(id.getName(), id.getType(), id.getBaseUnit());
        String name = id.getType() == Meter.Type.COUNTER ? base + "_total" : base;
        assertTrue(text.contains("# TYPE " + name + " "), name);
        return name + " " + String.join(", ", id.getTags().stream().map(Tag::getKey).toList());
    }

    private static List<String> sorted(Stream<String> rows) {
        return rows.distinct().sorted().toList();
    }

    @Test
    void tableHasEveryMeterWithItsTags() throws IOException, BootException, XenError {
        Scrape scrape = registered();
        Set<String> names = new TreeSet<>();
        scrape.meters().forEach(meter -> names.add(meter.getId().getName()));
        List<String> documented =
                Document.read("xen-emu-core/docs/metrics.md").table("meters", 3).stream()
                        .map(cells -> cells.get(0) + " " + cells.get(1))
                        .toList();

        assertEquals(String.join("\n", inSources()), String.join("\n", names), "not in this test");
        assertEquals(
                String.join(
                        "\n",
                        sorted(scrape.meters().stream().map(meter -> row(meter, scrape.text())))),
                String.join("\n", sorted(documented.stream())));
        assertEquals(documented.size(), documented.stream().distinct().count(), "a line twice");
    }
}
