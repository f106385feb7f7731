package io.xenemu.kvm.attach;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.ioctl.VcpuDescriptor;
import java.lang.foreign.MemorySegment;
import java.util.function.BooleanSupplier;

/// A vCPU of an attached VMM. The VMM's thread runs it, and hands it over at each exit that is the service's.
final class AttachedVcpu implements VcpuDescriptor {
    private static final Link[] NONE = {};
    private static final int NO_EVENT = 0;

    private final AttachConnection connection;
    private final int number;
    private final VcpuExchange exchange;
    private final Immediate immediate;
    private final BooleanSupplier isStarted;

    /// Whether the service has the vCPU. For the thread that runs it.
    private boolean isHere;

    /// The event with which it has come, until [#run] has told it, or [#NO_EVENT].
    private int untold = NO_EVENT;

    /// The failure of the last [#run], a negated errno, until [#runAgain] has told it; 0 for none.
    private int failure;

    private volatile BooleanSupplier stopping = () -> false;

    /// The byte `immediate_exit` of its kvm_run.
    interface Immediate {
        boolean isRequested();
    }

    /// @param isStarted whether the VMM may run it
    AttachedVcpu(
            AttachConnection connection,
            int number,
            VcpuExchange exchange,
            Immediate immediate,
            BooleanSupplier isStarted) {
        this.connection = connection;
        this.number = number;
        this.exchange = exchange;
        this.immediate = immediate;
        this.isStarted = isStarted;
    }

    @Override
    public int run() {
        int result = handOver();
        failure = Math.min(result, 0);
        return result;
    }

    @Override
    public int runAgain() {
        int told = failure;
        failure = 0;
        return told == 0 ? handOver() : told;
    }

    /// Lets the VMM run the vCPU until it comes back.
    private int handOver() {
        if (isHere && untold == NO_EVENT) {
            if (immediate.isRequested()) {
                // The VMM's KVM_RUN completes the exit and returns; then it is to come back.
                exchange.kicked(true);
            }
            isHere = false;
            exchange.give(AttachLayouts.TURN_VMM);
        }
        if (!awaitHere()) {
            return -Errno.EINTR;
        }
        int event = untold;
        untold = NO_EVENT;
        if (event == AttachLayouts.EVENT_EXIT) {
            return 0;
        }
        if (event == AttachLayouts.EVENT_FAULT) {
            return -Errno.EFAULT;
        }
        exchange.kicked(false);
        return -Errno.EINTR;
    }

    /// Waits until the vCPU is here.
    ///
    /// @return false if it does not come any more
    private boolean awaitHere() {
        while (!isHere && !isOver()) {
            if (exchange.await()) {
                isHere = true;
                untold = exchange.event();
            }
        }
        return isHere;
    }

    /// Makes the vCPU come, for an ioctl.
    ///
    /// @return false if it does not come any more
    private boolean fetch() {
        if (!isHere) {
            kick();
        }
        return awaitHere();
    }

    @Override
    public void kick() {
        exchange.kicked(true);
        if (isStarted.getAsBoolean()) {
            connection.kick(number);
        }
        if (isOver()) {
            exchange.wakeService();
        }
    }

    /// Whether [#run] returns without the VMM: its domain stops, or the VMM has gone.
    private boolean isOver() {
        return stopping.getAsBoolean() || connection.isLost();
    }

    /// Tells when [#run] is to return without the VMM.
    void stopsWhen(BooleanSupplier when) {
        stopping = when;
    }

    /// The VMM has the vCPU, which does not run. No thread of the service has it.
    void reset() {
        isHere = false;
        untold = NO_EVENT;
        failure = 0;
        stopping = () -> false;
        exchange.reset();
    }

    @Override
    public int ioctl(long request, long argument) {
        if (!isStarted.getAsBoolean()) {
            return connection.ioctl(number, request, argument);
        }
        if (!fetch()) {
            return -Errno.EIO;
        }
        RemoteCall.write(exchange.call(), request, argument);
        return carriedOut();
    }

    @Override
    public int ioctl(long request, MemorySegment argument) {
        return ioctl(request, argument, NONE);
    }

    @Override
    public int ioctl(long request, MemorySegment argument, Link... links) {
        if (!isStarted.getAsBoolean()) {
            return connection.ioctl(number, request, argument, links);
        }
        if (!fetch()) {
            return -Errno.EIO;
        }
        RemoteCall.write(exchange.call(), exchange.data(), request, argument, links);
        int result = carriedOut();
        if (result >= 0) {
            RemoteCall.readBack(exchange.data(), argument, links);
        }
        return result;
    }

    private int carriedOut() {
        exchange.give(AttachLayouts.TURN_CALL);
        while (!exchange.await()) {
            if (isOver()) {
                isHere = false;
                return -Errno.EIO;
            }
        }
        return exchange.result();
    }

    @Override
    public void close() {
        exchange.close();
    }
}
