package io.xenemu.it.bench;

import com.sun.management.ThreadMXBean;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.LoneVcpu;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.management.ManagementFactory;

/// Our side of a load: a vCPU in our exit loop, held but when it is measured.
final class OurExits implements AutoCloseable {
    /// Time to get going after a pause.
    private static final long LEAD_MILLIS = 20;

    private static final long WINDOW_MILLIS = 300;

    private static final ThreadMXBean THREADS =
            ManagementFactory.getPlatformMXBean(ThreadMXBean.class);

    private final ExitLoad load;
    private final LoneVcpu lone;
    private volatile long thread;

    /// The cost of an exit.
    ///
    /// @param nanos CPU time of the vCPU's thread
    /// @param bytes allocated by it
    record Window(double nanos, double bytes) {}

    private record Reading(long exits, long nanos, long bytes) {}

    OurExits(DomId domain, ExitLoad load) throws BootException {
        this.load = load;
        this.lone = new LoneVcpu(domain, this::prepare);
        lone.domain().start();
        lone.hold();
    }

    private void prepare(LoneVcpu vcpu) {
        thread = Thread.currentThread().threadId();
        try {
            load.prepare(vcpu);
        } catch (XenError e) {
            throw new IllegalStateException(e);
        }
    }

    /// Runs the load for a while.
    Window window() throws InterruptedException {
        lone.release();
        Thread.sleep(LEAD_MILLIS);
        Reading before = read();
        Thread.sleep(WINDOW_MILLIS);
        Reading after = read();
        lone.hold();
        double exits = after.exits() - before.exits();
        if (exits == 0) {
            throw new IllegalStateException(load + ": no exits");
        }
        return new Window(
                (after.nanos() - before.nanos()) / exits, (after.bytes() - before.bytes()) / exits);
    }

    private Reading read() {
        return new Reading(
                lone.exits(load.reason),
                THREADS.getThreadCpuTime(thread),
                THREADS.getThreadAllocatedBytes(thread));
    }

    @Override
    public void close() {
        lone.close();
    }
}
