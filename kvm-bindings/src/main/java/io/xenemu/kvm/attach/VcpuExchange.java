package io.xenemu.kvm.attach;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.ioctl.CStruct;
import io.xenemu.kvm.ioctl.CTypes;
import io.xenemu.kvm.libc.FutexCalls;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// The memory by which a vCPU of an attached VMM goes to the service and back: `struct xa_exchange`. The one whose turn
/// it is writes. The VMM may write anything at any time; then its own guest suffers.
final class VcpuExchange implements AutoCloseable {
    private static final VarHandle INT = JAVA_INT.varHandle();
    private static final long TURN = offset("turn");
    private static final long EVENT = offset("event");
    private static final long KICKED = offset("kicked");
    private static final long VMM_SLEEPS = offset("vmm_sleeps");
    private static final long SERVICE_SLEEPS = offset("service_sleeps");
    private static final long SPIN = offset("spin_us");
    private static final long RESULT = offset("result");
    private static final long CALL = offset("call");

    /// How long one sleeps before it looks whether the VMM is still there, in seconds.
    private static final long LOOK_SECONDS = 1;

    /// Nanoseconds of a microsecond.
    private static final long MICRO = 1000;

    private final MemFd memory = MemFd.create("xen-exchange", AttachLayouts.EXCHANGE_BYTES);
    private final Arena arena = Arena.ofShared();
    private final MemorySegment shared = memory.map(arena, 0, AttachLayouts.EXCHANGE_BYTES, false);
    private final MemorySegment turn = shared.asSlice(TURN, Integer.BYTES);
    private final MemorySegment limit = arena.allocate(JAVA_LONG, 2);
    private final CStruct call =
            new CStruct(
                    shared.asSlice(CALL, AttachLayouts.XA_CALL.byteSize()), AttachLayouts.XA_CALL);
    private final MemorySegment data = shared.asSlice(AttachLayouts.EXCHANGE_DATA);
    private final long spinNanos;

    /// @param spinMicros how long each side polls before it sleeps
    VcpuExchange(int spinMicros) {
        spinNanos = spinMicros * MICRO;
        limit.setAtIndex(JAVA_LONG, 0, LOOK_SECONDS);
        INT.setRelease(shared, SPIN, spinMicros);
        reset();
    }

    private static long offset(String member) {
        return CTypes.offset(AttachLayouts.XA_EXCHANGE, member);
    }

    /// The memory, for the VMM.
    MemFd memory() {
        return memory;
    }

    /// Whether it is the service's turn.
    boolean isOurs() {
        return (int) INT.getAcquire(shared, TURN) == AttachLayouts.TURN_SERVICE;
    }

    /// Gives the turn to the VMM.
    ///
    /// @param to [AttachLayouts#TURN_VMM] or [AttachLayouts#TURN_CALL]
    void give(int to) {
        INT.setVolatile(shared, TURN, to);
        if ((int) INT.getVolatile(shared, VMM_SLEEPS) != 0) {
            int _ = FutexCalls.wake(turn);
        }
    }

    /// Takes the state of a vCPU that has not run. It comes here before it runs.
    void reset() {
        INT.setRelease(shared, KICKED, 1);
        INT.setVolatile(shared, TURN, AttachLayouts.TURN_VMM);
    }

    /// Waits a while for the turn: polls, and then sleeps.
    ///
    /// @return whether it is the service's
    boolean await() {
        long until = System.nanoTime() + spinNanos;
        while (!isOurs() && System.nanoTime() - until < 0) {
            Thread.onSpinWait();
        }
        if (isOurs()) {
            return true;
        }
        INT.setVolatile(shared, SERVICE_SLEEPS, 1);
        int now = (int) INT.getVolatile(shared, TURN);
        if (now != AttachLayouts.TURN_SERVICE) {
            int _ = FutexCalls.await(turn, now, limit);
        }
        INT.setRelease(shared, SERVICE_SLEEPS, 0);
        return isOurs();
    }

    /// Wakes the service's thread, if it sleeps. It looks around then.
    void wakeService() {
        int _ = FutexCalls.wake(turn);
    }

    /// Why the vCPU is here.
    int event() {
        return shared.get(JAVA_INT, EVENT);
    }

    boolean isKicked() {
        return (int) INT.getVolatile(shared, KICKED) != 0;
    }

    void kicked(boolean on) {
        INT.setVolatile(shared, KICKED, on ? 1 : 0);
    }

    /// The call that the VMM's thread carries out, and the bytes that belong to it.
    CStruct call() {
        return call;
    }

    MemorySegment data() {
        return data;
    }

    int result() {
        return shared.get(JAVA_INT, RESULT);
    }

    @Override
    public void close() {
        arena.close();
        memory.close();
    }
}
