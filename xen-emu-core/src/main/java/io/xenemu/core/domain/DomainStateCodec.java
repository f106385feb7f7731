package io.xenemu.core.domain;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.delivery.CallbackVia;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Encodes and decodes the frames of a domain's saved state whose records are in this package: one pair of methods for
/// each.
final class DomainStateCodec {
    /// Frame type "DOMN": [XenState.Identity].
    ///
    /// Version 1: id u16; name; uuid 2 x u64; memory u64; vcpus u32; Xen's version u32; grant frames, maptrack frames,
    /// grant version u32 each; fifo, highest port u32, pirqs; pauses u32. Version 2 has the most memory, u64, after
    /// the memory. Version 3 has the processor ([io.xenemu.core.cpuid.CpuConfigCodec]) before the pauses.
    static final int IDENTITY = 0x4e4d4f44;

    /// Frame type "HVMP": [HvmParams.State].
    ///
    /// Version 1: [HvmParams#COUNT] values u64.
    static final int PARAMS = 0x504d5648;

    /// Frame type "SHIN": [SharedInfo.State].
    ///
    /// Version 1: wide; mapped; gfn u64; runstate update flag.
    static final int SHARED_INFO = 0x4e494853;

    /// Frame type "UPCL": [EventDelivery.State].
    ///
    /// Version 1: vCPUs u32, then a vector u8 for each.
    static final int DELIVERY = 0x4c435055;

    /// Frame type "AREA": [VcpuAreas.State] of each vCPU.
    ///
    /// Version 1: vCPUs u32, then for each the addresses of vcpu_info, time and runstate, u64; all ones for none.
    /// Version 2 has two more for each vCPU: time and runstate registered by physical address. Version 3 has the
    /// vCPU's runstate u8 behind them, and the times of the four runstates u64. Version 4 has two flags behind them:
    /// whether the vCPU is down with registers to go on with, and whether it is to go down.
    static final int AREAS = 0x41455241;

    /// The version of [#AREAS].
    private static final int AREAS_VERSION = 4;

    /// Frame type "WDOG": [Watchdogs.State].
    ///
    /// Version 1: for each watchdog its time u32, in seconds; 0 for one that is free.
    static final int WATCHDOGS = 0x474f4457;

    /// Frame type "LAYO": [MachineLayout]; only domains that were imported have it.
    ///
    /// Version 1: bytes of RAM from 0 on, of ACPI tables, and of RAM from 4 GiB on, u64 each; step of APIC ids u32.
    static final int LAYOUT = 0x4f59414c;

    /// Xen's runstates.
    private static final int RUNSTATES = 4;

    /// The version of every other frame here.
    private static final int VERSION = 1;

    /// The version of [#IDENTITY].
    private static final int IDENTITY_VERSION = DomainConfigCodec.VERSION;

    /// The most pauses that a saved domain can have.
    private static final int MAX_PAUSES = 1 << 16;

    private DomainStateCodec() {}

    /// The version of a frame as [#encode] writes it.
    static int version(int type) {
        return switch (type) {
            case IDENTITY -> IDENTITY_VERSION;
            case AREAS -> AREAS_VERSION;
            default -> VERSION;
        };
    }

    private static void requireVersion(String what, int version) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion(what, version);
        }
    }

    static BodyWriter encode(XenState.Identity state) {
        BodyWriter body = new BodyWriter().u16(state.id().value());
        return DomainConfigCodec.put(body, state.config()).u32(state.pauses());
    }

    static XenState.Identity identity(int version, BodyReader body) throws WireException {
        if (version < 1 || version > IDENTITY_VERSION) {
            throw WireException.unknownVersion("domain", version);
        }
        try {
            DomId id = new DomId(body.u16());
            DomainConfig config = DomainConfigCodec.get(version, body);
            return new XenState.Identity(id, config, body.count(MAX_PAUSES));
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    static BodyWriter encode(HvmParams.State state) {
        BodyWriter body = new BodyWriter();
        state.values().forEach(body::u64);
        return body;
    }

    static HvmParams.State params(int version, BodyReader body) throws WireException {
        requireVersion("HVM parameters", version);
        List<Long> values = new ArrayList<>();
        for (int i = 0; i < HvmParams.COUNT; i++) {
            values.add(body.u64());
        }
        return new HvmParams.State(values);
    }

    static BodyWriter encode(SharedInfo.State state) {
        return new BodyWriter()
                .bool(state.width() == GuestWidth.BITS_64)
                .bool(state.mapped())
                .u64(state.gfn())
                .bool(state.runstateUpdateFlag());
    }

    static SharedInfo.State sharedInfo(int version, BodyReader body) throws WireException {
        requireVersion("shared_info", version);
        return new SharedInfo.State(
                body.bool() ? GuestWidth.BITS_64 : GuestWidth.BITS_32,
                body.bool(),
                body.u64(),
                body.bool());
    }

    static BodyWriter encode(EventDelivery.State state) {
        BodyWriter body = new BodyWriter().u32(state.vectors().size());
        state.vectors().forEach(body::u8);
        return body;
    }

    static EventDelivery.State delivery(int version, BodyReader body) throws WireException {
        requireVersion("upcall", version);
        List<Integer> vectors = new ArrayList<>();
        for (int left = body.count(DomainConfig.MAX_VCPUS); left > 0; left--) {
            int vector = body.u8();
            if (vector != 0 && vector < CallbackVia.FIRST_VECTOR) {
                throw new WireException("upcall vector out of range: " + vector);
            }
            vectors.add(vector);
        }
        return new EventDelivery.State(vectors);
    }

    static BodyWriter encode(List<VcpuAreas.State> states) {
        BodyWriter body = new BodyWriter().u32(states.size());
        for (VcpuAreas.State state : states) {
            body.u64(state.vcpuInfo())
                    .u64(state.time().linear())
                    .u64(state.runstate().linear())
                    .u64(state.time().physical())
                    .u64(state.runstate().physical());
            Runstate account = state.account();
            body.u8((int) account.state())
                    .u64(account.timeRunning())
                    .u64(account.timeRunnable())
                    .u64(account.timeBlocked())
                    .u64(account.timeOffline());
            body.bool(state.power().resting()).bool(state.power().goingDown());
        }
        return body;
    }

    static List<VcpuAreas.State> areas(int version, BodyReader body) throws WireException {
        if (version < 1 || version > AREAS_VERSION) {
            throw WireException.unknownVersion("vCPU areas", version);
        }
        List<VcpuAreas.State> states = new ArrayList<>();
        for (int left = body.count(DomainConfig.MAX_VCPUS); left > 0; left--) {
            long vcpuInfo = body.u64();
            long time = body.u64();
            long runstate = body.u64();
            // Before version 2, guests registered them by linear address alone.
            long physicalTime = version < 2 ? VcpuPort.INVALID_GPA : body.u64();
            long physicalRunstate = version < 2 ? VcpuPort.INVALID_GPA : body.u64();
            states.add(
                    new VcpuAreas.State(
                            vcpuInfo,
                            new WrittenArea.State(time, physicalTime),
                            new WrittenArea.State(runstate, physicalRunstate),
                            // Before version 3 there was none: the vCPU begins a new one.
                            version < 3 ? Runstate.NONE : account(body),
                            // Before version 4, no domain was saved that had a vCPU down.
                            version < 4
                                    ? VcpuPower.State.UP
                                    : new VcpuPower.State(body.bool(), body.bool())));
        }
        return states;
    }

    static BodyWriter encode(Watchdogs.State state) {
        BodyWriter body = new BodyWriter();
        state.seconds().forEach(seconds -> body.u32(seconds.intValue()));
        return body;
    }

    static Watchdogs.State watchdogs(int version, BodyReader body) throws WireException {
        requireVersion("watchdogs", version);
        List<Long> seconds = new ArrayList<>();
        for (int i = 0; i < Watchdogs.COUNT; i++) {
            seconds.add(Integer.toUnsignedLong(body.u32()));
        }
        return new Watchdogs.State(seconds);
    }

    static BodyWriter encode(MachineLayout layout) {
        return new BodyWriter()
                .u64(layout.lowRamBytes())
                .u64(layout.acpiBytes())
                .u64(layout.highRamBytes())
                .u32(layout.apicIdStep());
    }

    static Optional<MachineLayout> layout(int version, BodyReader body) throws WireException {
        requireVersion("machine", version);
        try {
            return Optional.of(new MachineLayout(body.u64(), body.u64(), body.u64(), body.u32()));
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    /// A vCPU's account. It does not run while it is saved.
    private static Runstate account(BodyReader body) throws WireException {
        int state = body.u8();
        if (state != Runstate.BLOCKED && state != Runstate.OFFLINE) {
            throw new WireException("a saved vCPU is not in runstate " + state);
        }
        long[] times = new long[RUNSTATES];
        long total = 0;
        for (int i = 0; i < RUNSTATES; i++) {
            times[i] = body.u64();
            if (times[i] < 0 || times[i] > Long.MAX_VALUE - total) {
                throw new WireException("runstate times out of range");
            }
            total += times[i];
        }
        return new Runstate(state, total, times[0], times[1], times[2], times[3]);
    }
}
