package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.PolicyFile;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.memory.MemoryStateCodec;
import io.xenemu.core.memory.PageRuns;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.VcpuTimersCodec;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.evtchn.EventChannelsCodec;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.PirqsState;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantTableCodec;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/// The bytes of a saved domain. The golden file is of the version in its name and is never made again.
final class XenStateTest {
    private static final GrantLimits LIMITS = new GrantLimits(4, 1, 2);

    /// An area that is not registered.
    private static final long NONE = -1;

    private static final Optional<MemoryState.Further> FURTHER =
            Optional.of(
                    new MemoryState.Further(
                            0x4100,
                            0x3f00,
                            0x10_0000,
                            List.of(new MemoryState.Displaced(5, 0xc_0001))));

    private static final CpuConfig CPU =
            new CpuConfig(
                    PolicyFile.parse(
                            """
                            xen-emu-cpu-policy 1
                            0x0 eax=0x10 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
                            0x1 eax=0x806f8 ecx=0x80000001 edx=0x3f
                            0x7.0 eax=1 ebx=9 edx=0x20000000
                            0x80000000 eax=0x80000008
                            msr 0x10a eax=1 edx=2
                            """),
                    CpuidOverrides.parse(List.of("host,maxhvleaf=4")),
                    TscMode.NATIVE,
                    Viridian.parse(List.of("base,stimer")),
                    true);

    private static final Runstate ACCOUNT = new Runstate(Runstate.BLOCKED, 1010, 1, 2, 1003, 4);

    private static final XenState STATE =
            state(
                    128 << 20,
                    FURTHER,
                    areas(0x9a_b000, 0xcd_e010, ACCOUNT, true),
                    CPU,
                    new Watchdogs.State(List.of(0L, 30L)),
                    Optional.of(new MachineLayout(0xc00_0000, 0x9000, 0x1000_0000, 2)));

    /// The state from before domains of other hypervisors could be imported.
    private static final XenState VERSION_7 =
            state(
                    128 << 20,
                    FURTHER,
                    areas(0x9a_b000, 0xcd_e010, ACCOUNT, true),
                    CPU,
                    new Watchdogs.State(List.of(0L, 30L)),
                    Optional.empty());

    /// The state from before vCPUs that are down, and watchdogs, were saved.
    private static final XenState VERSION_6 =
            state(
                    128 << 20,
                    FURTHER,
                    areas(0x9a_b000, 0xcd_e010, ACCOUNT, false),
                    CPU,
                    Watchdogs.State.NONE,
                    Optional.empty());

    private static final List<VcpuAreas.State> WITHOUT_ACCOUNT =
            areas(0x9a_b000, 0xcd_e010, Runstate.NONE, false);

    /// The state from before the accounts of the vCPUs' time were saved.
    private static final XenState VERSION_4 =
            state(128 << 20, FURTHER, WITHOUT_ACCOUNT, CPU, Watchdogs.State.NONE, Optional.empty());

    /// The state from before a domain could see another processor than its host's.
    private static final XenState VERSION_3 =
            state(
                    128 << 20,
                    FURTHER,
                    WITHOUT_ACCOUNT,
                    CpuConfig.DEFAULT,
                    Watchdogs.State.NONE,
                    Optional.empty());

    private static final List<VcpuAreas.State> LINEAR = areas(NONE, NONE, Runstate.NONE, false);

    /// The state from before areas could be registered by physical address.
    private static final XenState VERSION_2 =
            state(
                    128 << 20,
                    FURTHER,
                    LINEAR,
                    CpuConfig.DEFAULT,
                    Watchdogs.State.NONE,
                    Optional.empty());

    /// The state from before a domain could see more memory than it has.
    private static final XenState VERSION_1 =
            state(
                    64 << 20,
                    Optional.empty(),
                    LINEAR,
                    CpuConfig.DEFAULT,
                    Watchdogs.State.NONE,
                    Optional.empty());

    /// @param time the second time area of vCPU 1 by physical address
    /// @param runstate the runstate area of vCPU 0 by physical address
    /// @param account of the time of vCPU 0
    /// @param down whether vCPU 0 is down, and vCPU 1 is to go down
    private static List<VcpuAreas.State> areas(
            long time, long runstate, Runstate account, boolean down) {
        return List.of(
                new VcpuAreas.State(
                        0x12_3040,
                        new WrittenArea.State(NONE, NONE),
                        new WrittenArea.State(0x56_7008, runstate),
                        account,
                        new VcpuPower.State(down, false)),
                new VcpuAreas.State(
                        NONE,
                        new WrittenArea.State(0x78_9020, time),
                        new WrittenArea.State(NONE, NONE),
                        Runstate.NONE,
                        new VcpuPower.State(false, down)));
    }

    private static XenState state(
            long maxMemory,
            Optional<MemoryState.Further> further,
            List<VcpuAreas.State> areas,
            CpuConfig cpu,
            Watchdogs.State watchdogs,
            Optional<MachineLayout> layout) {
        return new XenState(
                new XenState.Identity(
                        new DomId(7),
                        new DomainConfig(
                                "web",
                                new UUID(0x0123_4567_89ab_cdefL, 0xfedc_ba98_7654_3210L),
                                64 << 20,
                                maxMemory,
                                2,
                                0x0004_0013,
                                LIMITS,
                                new EventChannelConfig(true, 1023, true),
                                cpu),
                        3),
                new MemoryState(
                        List.of(new MemoryState.Overlay(8, 0x123)),
                        PageRuns.of(ImmutableLongArray.of(0x8000_0000_0000_0001L, 5)),
                        0x4000,
                        List.of(new MemoryState.Content(2, words())),
                        further),
                new HvmParams.State(params()),
                new SharedInfo.State(GuestWidth.BITS_32, true, 0x123, true),
                new EventDelivery.State(List.of(0xf3, 0)),
                areas,
                new EventChannelsState(
                        new DomId(7),
                        2,
                        64,
                        List.of(
                                new EventChannelsState.Port(
                                        5, new EvtchnStatus.Ipi(new VcpuId(1)))),
                        PirqsState.EMPTY,
                        null),
                new GrantTableState(new DomId(7), 1, LIMITS, 2, List.of(), List.of()),
                List.of(new VcpuTimer.State(12345, 0), new VcpuTimer.State(0, 2_000_000)),
                watchdogs,
                layout);
    }

    private static ImmutableLongArray words() {
        long[] words = new long[512];
        words[1] = 0x1122_3344_5566_7788L;
        return ImmutableLongArray.copyOf(words);
    }

    private static List<Long> params() {
        List<Long> values = new ArrayList<>();
        for (long i = 0; i < HvmParams.COUNT; i++) {
            values.add(i << 32 | 1);
        }
        return values;
    }

    private static PartState own(int type, BodyWriter body) {
        return new PartState.Saved(type, DomainStateCodec.version(type), body);
    }

    /// The frames in the order in which a domain has its parts.
    private static Map<String, PartState> parts() {
        Map<String, PartState> parts = new LinkedHashMap<>();
        parts.put(
                "memory",
                new PartState.Saved(
                        MemoryStateCodec.TYPE,
                        MemoryStateCodec.VERSION,
                        MemoryStateCodec.encode(STATE.memory())));
        parts.put(
                "grants",
                new PartState.Saved(
                        GrantTableCodec.TYPE,
                        GrantTableCodec.VERSION,
                        GrantTableCodec.encode(STATE.grants())));
        parts.put("meters", new PartState.Nothing("test"));
        parts.put(
                "upcalls",
                own(DomainStateCodec.DELIVERY, DomainStateCodec.encode(STATE.delivery())));
        parts.put(
                "evtchn",
                new PartState.Saved(
                        EventChannelsCodec.TYPE,
                        EventChannelsCodec.VERSION,
                        EventChannelsCodec.encode(STATE.events())));
        parts.put("params", own(DomainStateCodec.PARAMS, DomainStateCodec.encode(STATE.params())));
        parts.put(
                "shared_info",
                own(DomainStateCodec.SHARED_INFO, DomainStateCodec.encode(STATE.sharedInfo())));
        parts.put(
                "domain",
                own(DomainStateCodec.IDENTITY, DomainStateCodec.encode(STATE.identity())));
        parts.put(
                "timers",
                new PartState.Saved(
                        VcpuTimersCodec.TYPE,
                        VcpuTimersCodec.VERSION,
                        VcpuTimersCodec.encode(STATE.timers())));
        parts.put(
                "watchdogs",
                own(DomainStateCodec.WATCHDOGS, DomainStateCodec.encode(STATE.watchdogs())));
        parts.put("vcpus", own(DomainStateCodec.AREAS, DomainStateCodec.encode(STATE.areas())));
        parts.put(
                "layout",
                own(
                        DomainStateCodec.LAYOUT,
                        DomainStateCodec.encode(STATE.layout().orElseThrow())));
        return parts;
    }

    private static BodyReader layout(long low, long acpi, long high, int step) {
        return body(new BodyWriter().u64(low).u64(acpi).u64(high).u32(step));
    }

    private static byte[] golden(int version) throws IOException {
        return GoldenFile.bytes(XenStateTest.class, "xen-state-v%d.hex".formatted(version));
    }

    private static XenState read(byte[] stream) throws IOException {
        return XenState.read(new ByteArrayInputStream(stream));
    }

    @Test
    void version1IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_1, read(golden(1)));
    }

    @Test
    void version2IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_2, read(golden(2)));
    }

    @Test
    void version3IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_3, read(golden(3)));
    }

    @Test
    void version4IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_4, read(golden(4)));
    }

    @Test
    void version5IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_6, read(golden(5)));
    }

    @Test
    void version6IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_6, read(golden(6)));
    }

    @Test
    void version7IsReadAsItWasWritten() throws IOException {
        assertEquals(VERSION_7, read(golden(7)));
    }

    @Test
    void version8IsReadAsItWasWritten() throws IOException {
        assertEquals(STATE, read(golden(8)));
    }

    @Test
    void theCurrentVersionIsWrittenAsInItsGoldenFile() throws IOException {
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden(8)), hex.formatHex(XenState.write(parts())));
    }

    @Test
    void everyFrameIsRequiredButTwo() throws IOException {
        Map<String, PartState> unwatched = parts();
        unwatched.remove("watchdogs");
        assertEquals(Watchdogs.State.NONE, read(XenState.write(unwatched)).watchdogs());
        Map<String, PartState> own = parts();
        own.remove("layout");
        assertEquals(Optional.empty(), read(XenState.write(own)).layout());
        parts().keySet().stream()
                .filter(name -> !Set.of("meters", "watchdogs", "layout").contains(name))
                .forEach(name -> {
                    Map<String, PartState> others = parts();
                    others.remove(name);
                    assertThrows(WireException.class, () -> read(XenState.write(others)), name);
                });
    }

    @Test
    void statesOfDifferentDomainsAreRefused() {
        Map<String, PartState> parts = parts();
        parts.put(
                "timers",
                new PartState.Saved(
                        VcpuTimersCodec.TYPE,
                        VcpuTimersCodec.VERSION,
                        VcpuTimersCodec.encode(List.of())));
        assertThrows(WireException.class, () -> read(XenState.write(parts)));
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        assertRefused(() -> DomainStateCodec.delivery(1, body(new BodyWriter().u32(1).u8(0x0f))));
        assertRefused(() -> DomainStateCodec.delivery(2, body(new BodyWriter().u32(0))));
        assertRefused(() -> DomainStateCodec.areas(1, body(new BodyWriter().u32(129))));
        assertRefused(() -> DomainStateCodec.areas(0, body(new BodyWriter().u32(0))));
        assertRefused(() -> DomainStateCodec.areas(5, body(new BodyWriter().u32(0))));
        assertRefused(() -> DomainStateCodec.areas(3, area(Runstate.RUNNING, 1)));
        assertRefused(() -> DomainStateCodec.areas(3, area(4, 1)));
        assertRefused(() -> DomainStateCodec.areas(3, area(Runstate.OFFLINE, -1)));
        assertRefused(() -> DomainStateCodec.areas(3, area(Runstate.OFFLINE, Long.MAX_VALUE)));
        assertRefused(() -> DomainStateCodec.watchdogs(1, body(new BodyWriter().u32(1))));
        assertRefused(() -> DomainStateCodec.watchdogs(2, body(new BodyWriter().u64(1))));
        assertRefused(() -> DomainStateCodec.layout(1, layout(0x1000, 0, 0, 3)));
        assertRefused(() -> DomainStateCodec.layout(1, layout(0, 0, 0x1000, 1)));
        assertRefused(() -> DomainStateCodec.layout(1, layout(0x1001, 0, 0, 1)));
        assertRefused(() -> DomainStateCodec.layout(1, layout(0x1000, -0x1000, 0, 1)));
        assertRefused(() -> DomainStateCodec.layout(1, layout(0x1000, 0, Long.MIN_VALUE, 1)));
        assertRefused(() -> DomainStateCodec.layout(2, layout(0x1000, 0, 0, 1)));
        assertRefused(() -> DomainStateCodec.params(1, body(new BodyWriter().u64(0))));
        assertRefused(() -> DomainStateCodec.sharedInfo(1, body(new BodyWriter().u8(2))));
        assertRefused(
                () -> DomainStateCodec.identity(1, body(new BodyWriter().u16(1).string("a/b"))));
        BodyWriter negative = new BodyWriter().u32(0).u32(0).u64(-1).u32(0);
        assertRefused(() -> MemoryStateCodec.decode(1, body(negative)));
    }

    private interface Decoding {
        void run() throws WireException;
    }

    private static void assertRefused(Decoding decoding) {
        assertThrows(WireException.class, decoding::run);
    }

    private static BodyReader body(BodyWriter writer) {
        return new BodyReader(writer.toBytes());
    }

    /// A vCPU's areas, with four equal times.
    private static BodyReader area(int state, long times) {
        BodyWriter body = new BodyWriter().u32(1);
        for (int i = 0; i < 5; i++) {
            body.u64(NONE);
        }
        return body(body.u8(state).u64(times).u64(times).u64(times).u64(times));
    }

    private static MemoryState displacing(MemoryState good, MemoryState.Displaced displaced) {
        return new MemoryState(
                good.overlays(),
                good.gone(),
                good.owned(),
                good.contents(),
                Optional.of(new MemoryState.Further(2304, 0, 0, List.of(displaced))));
    }

    @Test
    void impossibleStatesOfMemoryAreRefusedWhenADomainIsMade() throws Exception {
        try (TestDomain test = new TestDomain(1)) {
            var memory = test.domain().memory();
            MemoryState good = memory.save();
            for (MemoryState bad :
                    List.of(
                            new MemoryState(
                                    List.of(new MemoryState.Overlay(1 << 20, 1)),
                                    good.gone(),
                                    good.owned(),
                                    good.contents(),
                                    Optional.empty()),
                            new MemoryState(
                                    List.of(new MemoryState.Overlay(8, -1)),
                                    good.gone(),
                                    good.owned(),
                                    good.contents(),
                                    Optional.empty()),
                            new MemoryState(
                                    List.of(),
                                    good.gone(),
                                    good.owned() << 20,
                                    List.of(),
                                    Optional.empty()),
                            new MemoryState(
                                    List.of(),
                                    new PageRuns(
                                            List.of(
                                                    new PageRuns.Run(
                                                            36, 1, ImmutableLongArray.of(1)))),
                                    good.owned(),
                                    List.of(),
                                    Optional.empty()),
                            displacing(good, new MemoryState.Displaced(0, 0x900)),
                            displacing(good, new MemoryState.Displaced(1 << 24, 0x900)),
                            displacing(good, new MemoryState.Displaced(-1, 0x900)),
                            displacing(good, new MemoryState.Displaced(5000, 1)),
                            displacing(good, new MemoryState.Displaced(5000, -1)))) {
                assertThrows(IllegalArgumentException.class, () -> memory.restore(bad));
            }
        }
    }
}
