package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.LinearMemory;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Takes a hypercall from a vCPU to its handler and turns [XenError] into the negative number that the guest sees. One
/// per vCPU.
///
/// A handler that fails with an unchecked exception is our bug. It is logged with the hypercall, and the domain crashes
/// as by Xen's `domain_crash`; other domains go on. Host failures (`KvmException`) pass through and stop the domain in
/// the vCPU's loop.
public final class HypercallDispatcher {
    private static final Logger log = LoggerFactory.getLogger(HypercallDispatcher.class);

    private final HypercallTable table;
    private final HypercallCounters counters;
    private final Consumer<String> crash;

    /// Sees every call, or null. Another thread sets it.
    private volatile @Nullable HypercallObserver observer;

    /// @param crash crashes the vCPU's domain, for the reason it is given
    public HypercallDispatcher(
            HypercallTable table, HypercallCounters counters, Consumer<String> crash) {
        this.table = table;
        this.counters = counters;
        this.crash = crash;
    }

    /// Lets `calls` observe each call that begins from now on. Any thread may call this.
    ///
    /// @param calls null to observe no call
    public void observe(@Nullable HypercallObserver calls) {
        observer = calls;
    }

    /// Serves the call.
    ///
    /// @return the guest's RAX: zero or positive, or a negated errno; or [HypercallContext#CONTINUED]
    public long dispatch(HypercallContext call) {
        call.servedBy(this);
        HypercallObserver calls = observer;
        return calls == null ? serve(call) : observed(call, calls);
    }

    private long observed(HypercallContext call, HypercallObserver calls) {
        if (!calls.begin(call, table.lookup(call.number(), call.word(0)))) {
            return serve(call);
        }
        LinearMemory memory = call.argument().linear();
        memory.observe(calls);
        try {
            long result = serve(call);
            calls.end(result);
            return result;
        } finally {
            // The end of a multicall's inner call does not end the observation of the multicall.
            if (!calls.isWithin()) {
                memory.observe(null);
            }
        }
    }

    private long serve(HypercallContext call) {
        HypercallOp op = table.lookup(call.number(), call.word(0));
        long begin = counters.begin(op);
        long result;
        int errno = 0;
        try {
            if (call.cpl() > 0) {
                throw XenError.EPERM;
            }
            result = op.handler().handle(call);
        } catch (XenError e) {
            errno = e.number();
            result = -errno;
        } catch (KvmException e) {
            throw e;
        } catch (RuntimeException e) {
            log.error("{}: {} {} failed: this is a bug", call.vcpu(), op.hypercall(), op.op(), e);
            crash.accept("internal error in " + op.hypercall());
            errno = XenError.EINVAL.number();
            result = -errno;
        }
        counters.end(op, errno, begin);
        return result;
    }
}
