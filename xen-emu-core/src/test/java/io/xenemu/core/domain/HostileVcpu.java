package io.xenemu.core.domain;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/// vCPUs of a guest that attacks, without KVM. Each makes long batches, changes the lists and page tables that the
/// others' batches read, and puts other vCPUs down and up. The last vCPU only makes calls, and stays up. The threads do
/// what `ExitLoop` does at exits.
final class HostileVcpu implements Consumer<Vcpu> {
    /// One page is at all addresses of the 512 GiB from here on.
    private static final long EVERYWHERE = 1L << 39;

    private static final long TOP_TABLE = 0x1000;
    private static final long TABLES = 0xa_0000;
    private static final int TABLE_ENTRIES = 512;
    private static final int RIGHTS = 0x63;

    /// Frames that batches take from the guest and give back. Nothing else is there.
    private static final int FIRST_FRAME = 0x100;

    private static final int FRAMES = 0x40;

    private static final int MEMORY_OP = 12;
    private static final int DECREASE = 1;
    private static final int POPULATE = 6;
    private static final int EXTENT_SHIFT = 6;
    static final int MAX_EXTENTS = (1 << 26) - 1;
    private static final int GRANT_TABLE_OP = 20;
    private static final int COPY = 5;
    private static final int VCPU_OP = 24;
    private static final int SCHED_OP = 29;
    private static final int SHUTDOWN = 2;
    private static final int SUSPEND = 2;
    private static final int SELF = 0x7ff0;

    /// Where the arguments are: each vCPU has a page.
    private static final long ARGUMENTS = 0x8_1000;

    /// SHUTDOWN_suspend, which no vCPU changes.
    private static final long SUSPEND_ARGUMENT = 0x8_f000;

    private static final long REST_NANOS = 100_000;

    private final CompletableFuture<TestDomain> test = new CompletableFuture<>();
    private final int vcpus;
    private final int longest;
    private final AtomicLong calls = new AtomicLong();

    /// @param longest the elements of its batches; a memory_op has at most [#MAX_EXTENTS]
    HostileVcpu(int vcpus, int longest) {
        this.vcpus = vcpus;
        this.longest = longest;
    }

    /// Tells the vCPUs their domain, which has not been started. All are up.
    void runIn(TestDomain domain) throws XenError {
        GuestMemory memory = domain.memory();
        memory.write64(TOP_TABLE + Long.BYTES, TABLES | RIGHTS);
        for (int level = 0; level < 3; level++) {
            long table = TABLES + 0x1000L * level;
            long next = level < 2 ? table + 0x1000 : TestDomain.ARGUMENT;
            for (int i = 0; i < TABLE_ENTRIES; i++) {
                memory.write64(table + (long) Long.BYTES * i, next | RIGHTS);
            }
        }
        memory.write32(SUSPEND_ARGUMENT, SUSPEND);
        domain.domain().vcpus().forEach(vcpu -> vcpu.port().setMpState(MpState.RUNNABLE));
        test.complete(domain);
    }

    /// The calls that all vCPUs have made so far; a continued one counts once more.
    long calls() {
        return calls.get();
    }

    @Override
    public void accept(Vcpu vcpu) {
        TestDomain domain = test.join();
        int number = vcpu.id().value();
        Guest guest =
                new Guest(
                        number,
                        domain.memory(),
                        domain.caller(number, true),
                        domain.dispatcher(),
                        new Random(number));
        vcpu.park();
        while (!vcpu.isStopping()) {
            try {
                guest.next();
            } catch (XenError e) {
                throw new AssertionError(e);
            }
            do {
                calls.incrementAndGet();
                exit(vcpu);
            } while (guest.goesOn() && !vcpu.isStopping());
        }
    }

    private static void exit(Vcpu vcpu) {
        vcpu.serveMailbox();
        while (!vcpu.isStopping()) {
            vcpu.goDown();
            vcpu.park();
            if (vcpu.port().getMpState() != MpState.UNINITIALIZED) {
                return;
            }
            LockSupport.parkNanos(REST_NANOS);
            vcpu.serveMailbox();
        }
    }

    private final class Guest {
        private final int number;
        private final GuestMemory memory;
        private final HypercallContext call;
        private final HypercallDispatcher dispatcher;
        private final Random random;
        private long result;

        Guest(
                int number,
                GuestMemory memory,
                HypercallContext call,
                HypercallDispatcher dispatcher,
                Random random) {
            this.number = number;
            this.memory = memory;
            this.call = call;
            this.dispatcher = dispatcher;
            this.random = random;
        }

        /// Changes the memory that the others read, and makes one call.
        void next() throws XenError {
            disturb();
            switch (random.nextInt(8)) {
                case 0, 1 -> make(GRANT_TABLE_OP, COPY, EVERYWHERE, longest);
                case 2 -> extents(DECREASE);
                case 3, 4 -> extents(POPULATE);
                case 5 -> make(SCHED_OP, SHUTDOWN, SUSPEND_ARGUMENT);
                default ->
                        // initialise, up, down, is_up.
                        make(VCPU_OP, random.nextInt(4), random.nextInt(vcpus - 1), argument());
            }
        }

        /// Makes the call again, as the guest does, if it is a batch that was preempted. The bits that tell where it
        /// goes on are the guest's to change.
        boolean goesOn() {
            if (result != HypercallContext.CONTINUED) {
                return false;
            }
            long command = call.word(0);
            if (random.nextInt(8) == 0 && call.number() == MEMORY_OP) {
                command ^= random.nextLong() << EXTENT_SHIFT;
            }
            make(call.number(), command, call.word(1), call.word(2));
            return true;
        }

        private void make(long op, long... parameters) {
            call.begin(op, 0);
            for (int i = 0; i < parameters.length; i++) {
                call.setParameter(i, parameters[i]);
            }
            result = dispatcher.dispatch(call);
        }

        private long argument() {
            return ARGUMENTS + 0x1000L * number;
        }

        private void extents(int command) throws XenError {
            memory.write64(argument(), EVERYWHERE);
            memory.write64(argument() + 8, Math.min(longest, MAX_EXTENTS));
            memory.write64(argument() + 16, 0);
            memory.write64(argument() + 24, SELF);
            long start = random.nextBoolean() ? 0 : random.nextInt(MAX_EXTENTS);
            make(MEMORY_OP, start << EXTENT_SHIFT | command, argument());
        }

        /// Fills the page that all lists are in: for batches of frames mostly with frames, else with anything. Now and
        /// then it is gone.
        private void disturb() throws XenError {
            boolean anything = random.nextInt(4) == 0;
            for (int i = 0; i < TABLE_ENTRIES; i++) {
                memory.write64(
                        TestDomain.ARGUMENT + (long) Long.BYTES * i,
                        anything ? random.nextLong() : FIRST_FRAME + random.nextInt(FRAMES));
            }
            long entry = TABLES + 0x2000 + (long) Long.BYTES * random.nextInt(TABLE_ENTRIES);
            boolean gone = random.nextInt(8) == 0;
            memory.write64(entry, gone ? 0 : TestDomain.ARGUMENT | RIGHTS);
        }
    }
}
