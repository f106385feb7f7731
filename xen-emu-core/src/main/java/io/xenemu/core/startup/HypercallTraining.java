package io.xenemu.core.startup;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.delivery.InlineListener;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.nio.file.Path;
import java.util.List;

/// A guest's start and its hypercalls, over and over, on a VM in which nothing runs. The kernel is loaded, and the
/// guest maps its shared pages, sets its callback, and uses event channels and grants. Only the exit loop is missing,
/// since it needs KVM.
final class HypercallTraining {
    /// Rounds, enough for the JVM to compile the code well.
    private static final int ROUNDS = 20_000;

    /// A mapping takes two system calls.
    private static final int ROUNDS_PER_MAPPING = 10;

    private static final int PAGE_SIZE = GuestMemory.PAGE_SIZE;
    private static final int SELF = DomId.SELF.value();

    private static final int MEMORY_OP = 12;
    private static final int ADD_TO_PHYSMAP = 7;
    private static final int SET_TIMER_OP = 15;
    private static final int XEN_VERSION = 17;
    private static final int PAGESIZE = 7;
    private static final int GET_FEATURES = 6;
    private static final int GRANT_TABLE_OP = 20;
    private static final int MAP = 0;
    private static final int UNMAP = 1;
    private static final int COPY = 5;
    private static final int VCPU_OP = 24;
    private static final int REGISTER_VCPU_INFO = 10;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int BIND_VIRQ = 1;
    private static final int CLOSE = 3;
    private static final int SEND = 4;
    private static final int ALLOC_UNBOUND = 6;
    private static final int BIND_IPI = 7;
    private static final int HVM_OP = 34;
    private static final int SET_PARAM = 0;
    private static final int NO_HYPERCALL = 63;

    /// HVM_PARAM_CALLBACK_IRQ: vector 0xf3.
    private static final long CALLBACK = 2L << 56 | 0xf3;

    /// Address of the first argument. Each has a page of its own, as on a kernel's stack or in its data.
    private static final long ARGUMENT = 0x8_0000;

    private static final long PORT = ARGUMENT + 0x1000;
    private static final long STORE_PORT = ARGUMENT + 0x2000;
    private static final long COPY_ARGUMENT = ARGUMENT + 0x3000;
    private static final long MAP_ARGUMENT = ARGUMENT + 0x4000;
    private static final long UNMAP_ARGUMENT = ARGUMENT + 0x5000;

    private static final long SHARED_INFO_GFN = 0x90;
    private static final long GRANT_TABLE_GFN = 0x91;
    private static final long VCPU_INFO_GFN = 0x92;
    private static final long GRANTED_GFN = 0x93;
    private static final int REF = 9;

    /// Address of a hole in the guest's memory.
    private static final long WINDOW = 0xc000_0000L;

    private final TrainingDomain guest;
    private final GuestMemory memory;

    private HypercallTraining(TrainingDomain guest) {
        this.guest = guest;
        this.memory = guest.memory();
    }

    /// @param kernel the guest's kernel
    /// @throws XenError never, unless the training is wrong
    static void run(Path kernel) throws BootException, XenError {
        run(kernel, ROUNDS);
    }

    static void run(Path kernel, int rounds) throws BootException, XenError {
        try (BootFiles files = BootFiles.open(kernel, List.of(), Long.MAX_VALUE);
                TrainingDomain guest = new TrainingDomain(files.kernel())) {
            new HypercallTraining(guest).train(rounds);
        }
    }

    private void train(int rounds) throws XenError {
        start();
        EvtchnPort port = EvtchnPort.of(memory.read32(STORE_PORT));
        InlineListener store = () -> {};
        try (ServicePort _ = guest.servicePorts().bindInterdomain(TrainingDomain.ID, port, store)) {
            for (int i = 0; i < rounds; i++) {
                events();
                require(0, guest.call(GRANT_TABLE_OP, COPY, COPY_ARGUMENT, 1));
                require(0, memory.read16(COPY_ARGUMENT + 36));
                if (i % ROUNDS_PER_MAPPING == 0) {
                    mapping();
                }
                require(PAGE_SIZE, guest.call(XEN_VERSION, PAGESIZE, 0, 0));
                require(0, guest.call(XEN_VERSION, GET_FEATURES, ARGUMENT + 0x6000, 0));
                require(-XenError.ENOSYS.number(), guest.call(NO_HYPERCALL, 0, 0, 0));
            }
        }
    }

    /// Calls that a Linux makes once.
    private void start() throws XenError {
        addToPhysmap(0, SHARED_INFO_GFN);
        addToPhysmap(1, GRANT_TABLE_GFN);
        memory.write16(ARGUMENT, SELF);
        memory.write32(ARGUMENT + 4, 0);
        memory.write64(ARGUMENT + 8, CALLBACK);
        require(0, guest.call(HVM_OP, SET_PARAM, ARGUMENT, 0));
        memory.write64(ARGUMENT, VCPU_INFO_GFN);
        memory.write32(ARGUMENT + 8, 0);
        require(0, guest.call(VCPU_OP, REGISTER_VCPU_INFO, 0, ARGUMENT));
        memory.write64(ARGUMENT, 0);
        require(0, guest.call(EVENT_CHANNEL_OP, BIND_VIRQ, ARGUMENT, 0));
        require(0, guest.call(EVENT_CHANNEL_OP, BIND_IPI, ARGUMENT, 0));
        require(0, guest.call(SET_TIMER_OP, 0, 0, 0));
        memory.write32(STORE_PORT, allocUnbound(DomId.DOM0.value()));
        memory.write32(PORT, allocUnbound(SELF));
        grant();
    }

    private void addToPhysmap(int space, long gfn) throws XenError {
        memory.write16(ARGUMENT, SELF);
        memory.write32(ARGUMENT + 4, space);
        memory.write64(ARGUMENT + 8, 0);
        memory.write64(ARGUMENT + 16, gfn);
        require(0, guest.call(MEMORY_OP, ADD_TO_PHYSMAP, ARGUMENT, 0));
    }

    private int allocUnbound(int remote) throws XenError {
        memory.write16(ARGUMENT, SELF);
        memory.write16(ARGUMENT + 2, remote);
        require(0, guest.call(EVENT_CHANNEL_OP, ALLOC_UNBOUND, ARGUMENT, 0));
        return memory.read32(ARGUMENT + 4);
    }

    /// Grants the guest a page of its own, and prepares the arguments for copying, mapping and unmapping it.
    private void grant() throws XenError {
        long entry = GRANT_TABLE_GFN * PAGE_SIZE + 8L * REF;
        memory.write32(entry + 4, Math.toIntExact(GRANTED_GFN));
        memory.write32(entry, TrainingDomain.ID.value() << 16 | 1);
        memory.write32(COPY_ARGUMENT, REF);
        memory.write16(COPY_ARGUMENT + 8, SELF);
        memory.write64(COPY_ARGUMENT + 16, GRANTED_GFN + 1);
        memory.write16(COPY_ARGUMENT + 24, SELF);
        memory.write16(COPY_ARGUMENT + 32, 64);
        memory.write16(COPY_ARGUMENT + 34, 1);
        memory.write64(MAP_ARGUMENT, WINDOW);
        memory.write32(MAP_ARGUMENT + 8, 2);
        memory.write32(MAP_ARGUMENT + 12, REF);
        memory.write16(MAP_ARGUMENT + 16, TrainingDomain.ID.value());
        memory.write64(UNMAP_ARGUMENT, WINDOW);
        memory.write64(UNMAP_ARGUMENT + 8, 0);
    }

    private void events() throws XenError {
        require(0, guest.call(EVENT_CHANNEL_OP, SEND, STORE_PORT, 0));
        require(0, guest.call(EVENT_CHANNEL_OP, SEND, PORT, 0));
        require(0, guest.call(EVENT_CHANNEL_OP, CLOSE, PORT, 0));
        memory.write32(PORT, allocUnbound(SELF));
    }

    private void mapping() throws XenError {
        require(0, guest.call(GRANT_TABLE_OP, MAP, MAP_ARGUMENT, 1));
        require(0, memory.read16(MAP_ARGUMENT + 18));
        memory.write32(UNMAP_ARGUMENT + 16, memory.read32(MAP_ARGUMENT + 20));
        require(0, guest.call(GRANT_TABLE_OP, UNMAP, UNMAP_ARGUMENT, 1));
        require(0, memory.read16(UNMAP_ARGUMENT + 20));
    }

    private static void require(long expected, long result) {
        if (result != expected) {
            throw new IllegalStateException("the training is wrong: " + result);
        }
    }
}
