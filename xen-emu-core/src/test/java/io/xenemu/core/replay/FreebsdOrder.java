package io.xenemu.core.replay;

import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TraceBeginning;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.zip.GZIPOutputStream;

/// Calls in the order in which FreeBSD boots and ends, with Xen's results. It differs from Linux: vCPU 0 stops the
/// periodic timers of all vCPUs, each vCPU has an event channel for each of its interrupts between vCPUs, grant frames
/// are mapped from the last one down, and calls for PV domains are tried first.
///
/// Its main method records them into a file: `FreebsdOrder FILE`.
public final class FreebsdOrder implements AutoCloseable {
    static final int VCPUS = 3;

    private static final int MEMORY_OP = 12;
    private static final int XEN_VERSION = 17;
    private static final int GRANT_TABLE_OP = 20;
    private static final int VCPU_OP = 24;
    private static final int SCHED_OP = 29;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int PHYSDEV_OP = 33;
    private static final int HVM_OP = 34;
    private static final int SELF = 0x7ff0;

    /// FreeBSD's interrupts between vCPUs on x86: rendezvous, three invalidations, two bitmaps, two stops.
    private static final int IPIS = 8;

    private static final int GRANT_FRAMES = 4;
    private static final long SHARED_INFO_GFN = 0x90;
    private static final long GRANT_GFN = 0x94;
    private static final long VCPU_INFO_GFN = 0x92;
    private static final int VECTOR = 0x93;
    private static final long ARGUMENT = TestDomain.ARGUMENT;

    /// HVM_PARAM_CALLBACK_IRQ by vector.
    private static final long BY_VECTOR = 2L << 56;

    private final TestDomain guest = new TestDomain(VCPUS);
    private final GuestMemory memory = guest.memory();
    private final TracePoints points = new TracePoints();
    private final List<HypercallContext> callers = new ArrayList<>();
    private final List<HypercallDispatcher> dispatchers = new ArrayList<>();
    private final List<Integer> ports = new ArrayList<>();

    FreebsdOrder() throws Exception {
        points.add(guest.domain());
        for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
            HypercallDispatcher dispatcher = guest.dispatcher();
            points.add(TestDomain.ID, dispatcher);
            dispatchers.add(dispatcher);
            callers.add(guest.caller(vcpu, true));
        }
    }

    public static void main(String[] args) throws Exception {
        try (FreebsdOrder order = new FreebsdOrder();
                OutputStream file = new GZIPOutputStream(Files.newOutputStream(Path.of(args[0])))) {
            order.record(file);
        }
    }

    /// Makes all calls, and writes their trace.
    void record(OutputStream target) throws XenError, IOException {
        HypercallTrace trace =
                Objects.requireNonNull(
                        points.start(
                                guest.domain(),
                                TraceFilter.all(HypercallTable.standard()),
                                TraceBeginning.ofHeld(guest.domain())));
        boot();
        run();
        end();
        trace.close();
        trace.writeTo(Channels.newChannel(target)::write);
    }

    private void boot() throws XenError {
        expect(4 << 16 | 19, 0, XEN_VERSION, 0, 0);
        expect(0, 0, XEN_VERSION, 1, ARGUMENT);
        memory.write32(ARGUMENT, 0);
        expect(0, 0, XEN_VERSION, 6, ARGUMENT);
        addToPhysmap(0, 0, SHARED_INFO_GFN);
        setCallback();
        for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
            memory.write64(ARGUMENT, VCPU_INFO_GFN);
            memory.write64(ARGUMENT + 8, 64L * vcpu);
            expect(0, 0, VCPU_OP, 10, vcpu, ARGUMENT);
        }
        // Physical interrupts: PHYSDEVOP_pirq_eoi_gmfn_v2 is for PV domains.
        memory.write64(ARGUMENT, VCPU_INFO_GFN);
        expect(-XenError.ENOSYS.number(), 0, PHYSDEV_OP, 28, ARGUMENT);
        stopPeriodicTimers();
        for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
            bindVirq(0, vcpu);
            bindVirq(1, vcpu);
            for (int ipi = 0; ipi < IPIS; ipi++) {
                memory.write32(ARGUMENT, vcpu);
                expect(0, 0, EVENT_CHANNEL_OP, 7, ARGUMENT);
                ports.add(memory.read32(ARGUMENT + 4));
            }
        }
        grants();
        for (int param : new int[] {1, 2, 17, 18}) {
            memory.write16(ARGUMENT, SELF);
            memory.write32(ARGUMENT + 4, param);
            expect(0, 0, HVM_OP, 1, ARGUMENT);
        }
        memory.write16(ARGUMENT, SELF);
        expect(guest.domain().memory().ownedPages(), 0, MEMORY_OP, 3, ARGUMENT);
        expect(guest.domain().memory().maxPages(), 0, MEMORY_OP, 4, ARGUMENT);
    }

    private void setCallback() throws XenError {
        memory.write16(ARGUMENT, SELF);
        memory.write32(ARGUMENT + 4, 0);
        memory.write64(ARGUMENT + 8, BY_VECTOR | VECTOR);
        expect(0, 0, HVM_OP, 0, ARGUMENT);
    }

    private void stopPeriodicTimers() {
        for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
            expect(0, 0, VCPU_OP, 7, vcpu, 0);
        }
        expect(-XenError.ENOENT.number(), 0, VCPU_OP, 7, VCPUS, 0);
    }

    private void bindVirq(int virq, int vcpu) throws XenError {
        memory.write32(ARGUMENT, virq);
        memory.write32(ARGUMENT + 4, vcpu);
        expect(0, 0, EVENT_CHANNEL_OP, 1, ARGUMENT);
        ports.add(memory.read32(ARGUMENT + 8));
        expect(-XenError.EEXIST.number(), 0, EVENT_CHANNEL_OP, 1, ARGUMENT);
    }

    /// FreeBSD keeps version 1, and maps its frames from the last one down.
    private void grants() throws XenError {
        memory.write16(ARGUMENT, SELF);
        expect(0, 0, GRANT_TABLE_OP, 6, ARGUMENT, 1);
        for (int frame = GRANT_FRAMES - 1; frame >= 0; frame--) {
            addToPhysmap(1, frame, GRANT_GFN + frame);
        }
        memory.write32(ARGUMENT, 1);
        expect(0, 0, GRANT_TABLE_OP, 8, ARGUMENT, 1);
    }

    private void addToPhysmap(int space, long index, long gfn) throws XenError {
        memory.write16(ARGUMENT, SELF);
        memory.write32(ARGUMENT + 4, space);
        memory.write64(ARGUMENT + 8, index);
        memory.write64(ARGUMENT + 16, gfn);
        expect(0, 0, MEMORY_OP, 7, ARGUMENT);
    }

    /// Each vCPU sets its own timer, once in the past; a channel for a back end comes and goes.
    private void run() throws XenError {
        for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
            memory.write64(ARGUMENT, Long.MAX_VALUE);
            memory.write32(ARGUMENT + 8, 0);
            expect(0, vcpu, VCPU_OP, 8, vcpu, ARGUMENT);
            memory.write64(ARGUMENT, 1);
            memory.write32(ARGUMENT + 8, 1);
            expect(0, vcpu, VCPU_OP, 8, vcpu, ARGUMENT);
            expect(-XenError.EINVAL.number(), vcpu, VCPU_OP, 8, (vcpu + 1) % VCPUS, ARGUMENT);
        }
        memory.write16(ARGUMENT, SELF);
        memory.write16(ARGUMENT + 2, 0);
        expect(0, 1, EVENT_CHANNEL_OP, 6, ARGUMENT);
        int port = memory.read32(ARGUMENT + 4);
        memory.write32(ARGUMENT, port);
        memory.write32(ARGUMENT + 4, 1);
        expect(0, 1, EVENT_CHANNEL_OP, 8, ARGUMENT);
        expect(0, 1, EVENT_CHANNEL_OP, 9, ARGUMENT);
        expect(0, 1, EVENT_CHANNEL_OP, 4, ARGUMENT);
        expect(0, 1, EVENT_CHANNEL_OP, 3, ARGUMENT);
        expect(-XenError.EINVAL.number(), 1, EVENT_CHANNEL_OP, 3, ARGUMENT);
    }

    /// All channels are closed, and the domain powers off.
    private void end() throws XenError {
        for (int port : ports) {
            memory.write32(ARGUMENT, port);
            expect(0, 0, EVENT_CHANNEL_OP, 3, ARGUMENT);
        }
        memory.write32(ARGUMENT, 0);
        expect(0, 0, SCHED_OP, 2, ARGUMENT);
    }

    private void expect(long result, int vcpu, int number, long... parameters) {
        HypercallContext call = callers.get(vcpu);
        call.begin(number, 0);
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            call.setParameter(i, i < parameters.length ? parameters[i] : 0);
        }
        long found = dispatchers.get(vcpu).dispatch(call);
        if (found != result) {
            throw new AssertionError(
                    "hypercall %d, %d is %d and not %d"
                            .formatted(number, parameters[0], found, result));
        }
    }

    @Override
    public void close() {
        guest.close();
    }
}
