package io.xenemu.core.hypercall;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TraceBeginning;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.core.vm.FakeVcpu;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A guest that makes random calls in both widths. Arguments are right, misaligned, unmapped, across pages, or made to
/// do harm. If a call ends the domain, another domain follows.
///
/// Its main method makes as many calls as its arguments say: `HypercallFuzz CALLS [SEED]`.
public final class HypercallFuzz {
    private static final Set<Long> ERRORS =
            XenError.ALL.stream().map(error -> (long) -error.number()).collect(Collectors.toSet());

    /// Calls of one domain at most.
    private static final int DOMAIN_CALLS = 20_000;

    private static final int MULTICALL = 13;
    private static final int GRANT_TABLE_OP = 20;
    private static final int MMUEXT_OP = 26;
    private static final int SCHED_OP = 29;
    private static final long TOP = 0x20_0000;
    private static final int ARGUMENT_BYTES = 256;

    /// In a page, across two pages, and before the end of mapped memory.
    private static final long[] PLACES = {
        TestDomain.ARGUMENT, TestDomain.ARGUMENT + 4096 - ARGUMENT_BYTES / 2, TOP - ARGUMENT_BYTES
    };

    /// Values at which behaviour changes.
    private static final long[] EDGES = {
        0,
        1,
        2,
        3,
        4,
        8,
        15,
        16,
        63,
        64,
        127,
        128,
        255,
        256,
        1023,
        1024,
        4095,
        4096,
        0x7fef,
        0x7ff0,
        0xffff,
        0x1_0000,
        0x7fff_ffffL,
        0x8000_0000L,
        0xffff_fffeL,
        0xffff_ffffL,
        1L << 32,
        1L << 40,
        1L << 52,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -4096,
        -1
    };

    private final HypercallTable table = HypercallTable.standard();
    private final byte[] contents = new byte[ARGUMENT_BYTES];
    private final ByteBuffer words = ByteBuffer.wrap(contents).order(ByteOrder.LITTLE_ENDIAN);
    private final Random random;

    /// @param seed of all its choices
    public HypercallFuzz(long seed) {
        random = new Random(seed);
    }

    public static void main(String[] args) throws Exception {
        long calls = Long.parseLong(args[0]);
        long seed = args.length > 1 ? Long.parseLong(args[1]) : System.nanoTime();
        System.out.println(calls + " calls, seed " + seed);
        new HypercallFuzz(seed).run(calls);
    }

    /// Makes the calls.
    ///
    /// @throws AssertionError a result that Xen does not have, or a domain that does not end
    public void run(long calls) throws BootException, XenError {
        long left = calls;
        while (left > 0) {
            left -= runDomain(Math.min(left, DOMAIN_CALLS));
        }
    }

    /// Makes calls in one domain, and records them.
    ///
    /// @return the trace
    public byte[] record(long calls) throws BootException, XenError {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        long _ =
                runDomain(
                        calls,
                        (domain, dispatcher) -> {
                            TracePoints points = new TracePoints();
                            points.add(domain);
                            points.add(domain.id(), dispatcher);
                            return points.start(
                                    domain, TraceFilter.all(table), TraceBeginning.ofHeld(domain));
                        },
                        bytes);
        return bytes.toByteArray();
    }

    private interface Recording {
        @Nullable HypercallTrace begin(Domain domain, HypercallDispatcher dispatcher);
    }

    private long runDomain(long calls) throws BootException, XenError {
        return runDomain(calls, (_, _) -> null, OutputStream.nullOutputStream());
    }

    private long runDomain(long calls, Recording recording, OutputStream target)
            throws BootException, XenError {
        FakeVm vm = new FakeVm();
        TestDomain guest = new TestDomain(vm, 2);
        long made = 0;
        try {
            List<HypercallContext> callers = new ArrayList<>();
            for (int vcpu = 0; vcpu < 2; vcpu++) {
                callers.add(guest.caller(vcpu, true));
                callers.add(guest.caller(vcpu, false));
                FakeVcpu port = vm.vcpu(vcpu);
                port.enableApic();
            }
            HypercallDispatcher dispatcher =
                    new HypercallDispatcher(
                            table,
                            new HypercallCounters(table.ops().size(), (_, _) -> {}),
                            guest.domain()::crash);
            HypercallTrace trace = recording.begin(guest.domain(), dispatcher);
            while (made < calls && guest.domain().shutdownLatch().get() == null) {
                made++;
                HypercallContext caller = callers.get(random.nextInt(callers.size()));
                if (trace != null) {
                    // A vCPU that makes a call runs.
                    vm.vcpu(caller.vcpu().id().value()).setMpState(MpState.RUNNABLE);
                }
                call(guest, dispatcher, caller);
                if (trace != null) {
                    guest.domain().vcpus().forEach(Vcpu::goDown);
                }
            }
            if (trace != null) {
                trace.close();
                trace.writeTo(Channels.newChannel(target)::write);
            }
            ShutdownLatch.Outcome end = guest.domain().shutdownLatch().get();
            if (end != null
                    && (end.reason() == ShutdownReason.HOST_ERROR
                            || end.message().contains("internal error"))) {
                throw new AssertionError(end);
            }
        } catch (IOException e) {
            throw new IllegalStateException("memory does not fail", e);
        } finally {
            guest.close();
        }
        if (!vm.isClosed()) {
            throw new AssertionError("the VM is left");
        }
        return made;
    }

    private void call(TestDomain guest, HypercallDispatcher dispatcher, HypercallContext caller)
            throws XenError {
        fill(guest.memory());
        long number = random.nextInt(20) == 0 ? value() : random.nextInt(50);
        long command = random.nextInt(20) == 0 ? value() : random.nextInt(34);
        // A wait would not end without a second thread.
        if (number == SCHED_OP && (command & 0xffff_ffffL) < 4) {
            command = 0;
        }
        caller.begin(number, random.nextInt(50) == 0 ? 3 : 0);
        caller.setParameter(0, random.nextInt(10) == 0 ? value() : command);
        for (int i = 1; i < HypercallContext.PARAMETERS; i++) {
            caller.setParameter(i, random.nextBoolean() ? argument() : value());
        }
        if (number == SCHED_OP) {
            caller.setParameter(0, command);
        }
        if (number == GRANT_TABLE_OP && random.nextInt(256) != 0) {
            // Long batches differ from short ones only in their time.
            caller.setParameter(2, random.nextInt(64));
        }
        if (number == MULTICALL) {
            // A list that ends.
            caller.setParameter(0, argument());
            caller.setParameter(1, random.nextInt(4));
        }
        long result = dispatcher.dispatch(caller);
        if (number == MMUEXT_OP && caller.u32(1) == Integer.MIN_VALUE && caller.word(0) == 0) {
            // Xen returns a parameter.
            return;
        }
        if (result < 0 && result != HypercallContext.CONTINUED && !ERRORS.contains(result)) {
            throw new AssertionError(number + " " + command + ": " + result);
        }
    }

    private long value() {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextLong();
            case 1 -> random.nextInt(16);
            default -> EDGES[random.nextInt(EDGES.length)];
        };
    }

    /// Fills the page of arguments and the end of memory, both where the next call looks.
    private void fill(GuestMemory memory) throws XenError {
        for (int i = 0; i < contents.length; i += Long.BYTES) {
            words.putLong(
                    i,
                    switch (random.nextInt(4)) {
                        case 0 -> value();
                        case 1 -> TestDomain.ARGUMENT + 8L * random.nextInt(32);
                        case 2 -> value() << 32 | (value() & 0xffff_ffffL);
                        default -> random.nextInt(3) == 0 ? 0x7ff0 : random.nextInt(4);
                    });
        }
        for (long place : PLACES) {
            memory.copyOut(contents, 0, place, contents.length);
        }
    }

    /// The address of an argument, mostly of one with contents.
    private long argument() {
        long at =
                switch (random.nextInt(8)) {
                    // Across pages, at the end of mapped memory, misaligned.
                    case 0 -> PLACES[1] + random.nextInt(ARGUMENT_BYTES);
                    case 1 -> PLACES[2] + random.nextInt(ARGUMENT_BYTES);
                    case 2 -> PLACES[0] + random.nextInt(ARGUMENT_BYTES);
                    default -> PLACES[0] + 8L * random.nextInt(ARGUMENT_BYTES / 16);
                };
        return random.nextInt(10) == 0 ? value() : at;
    }
}
