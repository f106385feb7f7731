package io.xenemu.core.startup;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallMetrics;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.EvtchnStructs.AllocUnbound;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;

/// The part of a hypercall's way that needs no VM, over and over: the dispatcher, the copy of an argument through 4-level page
/// tables, and event channels being made and closed. A domain needs a VM, so its handlers are loaded only.
final class HypercallTraining {
    /// As many as the JVM compiles well after.
    private static final int ROUNDS = 20_000;

    private static final int PAGES = 16;
    private static final int LEVELS = 4;

    /// Present, writable, accessed, dirty.
    private static final int RIGHTS = 0x63;

    private static final long ARGUMENT = 0x8000;
    private static final int XEN_VERSION = 17;
    private static final int PAGESIZE = 7;
    private static final int NO_HYPERCALL = 63;
    private static final DomId GUEST = new DomId(1);

    private HypercallTraining() {}

    /// @throws XenError never, unless the training is wrong
    static void run() throws XenError {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        HypercallTable table = HypercallTable.standard();
        try (Arena arena = Arena.ofConfined();
                HypercallMetrics metrics = new HypercallMetrics(registry, GUEST, table)) {
            GuestMemory memory = new GuestMemory();
            memory.add(
                    0, arena.allocate((long) PAGES * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE));
            writePageTables(memory);
            GuestArgument argument = new GuestArgument(memory, new Kernel(), arena);
            HypercallDispatcher dispatcher =
                    new HypercallDispatcher(table, metrics.newVcpu(), reason -> {});
            HypercallContext call = withoutDomain(argument);
            ServicePorts ports = new ServicePorts(_ -> null, registry);
            for (int i = 0; i < ROUNDS; i++) {
                call(dispatcher, call, XEN_VERSION, PAGESIZE);
                call(dispatcher, call, NO_HYPERCALL, 0);
                argument.copyIn(AllocUnbound.STRUCT, ARGUMENT);
                try (ServicePort port = ports.allocUnbound(GUEST, () -> {})) {
                    argument.set(AllocUnbound.PORT, port.port().value());
                }
                argument.copyOut(AllocUnbound.PORT, ARGUMENT);
            }
        }
        registry.close();
    }

    private static void call(
            HypercallDispatcher dispatcher, HypercallContext call, long number, long first) {
        call.begin(number, 0);
        call.setParameter(0, first);
        call.setParameter(1, 0);
        long _ = dispatcher.dispatch(call);
    }

    /// Maps the first pages to themselves.
    private static void writePageTables(GuestMemory memory) throws XenError {
        for (int level = 1; level < LEVELS; level++) {
            memory.write64(
                    (long) GuestMemory.PAGE_SIZE * level,
                    (long) GuestMemory.PAGE_SIZE * (level + 1) | RIGHTS);
        }
        for (int i = 0; i < PAGES; i++) {
            memory.write64(
                    (long) GuestMemory.PAGE_SIZE * LEVELS + 8L * i,
                    (long) GuestMemory.PAGE_SIZE * i | RIGHTS);
        }
    }

    /// For calls that look at neither domain nor vCPU.
    @SuppressWarnings("NullAway") // what is not there must not be used: then this fails
    private static HypercallContext withoutDomain(GuestArgument argument) {
        return new HypercallContext(null, null, argument);
    }

    /// The control registers of a kernel in 64-bit mode: CR0.PG and WP, CR4.PAE, EFER.LMA.
    private record Kernel() implements CpuState {
        @Override
        public long cr0() {
            return 1L << 31 | 1L << 16;
        }

        @Override
        public long cr3() {
            return GuestMemory.PAGE_SIZE;
        }

        @Override
        public long cr4() {
            return 1L << 5;
        }

        @Override
        public long efer() {
            return 1L << 10;
        }

        @Override
        public boolean longMode() {
            return true;
        }
    }
}
