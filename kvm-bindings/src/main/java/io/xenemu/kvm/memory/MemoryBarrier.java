package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.ThreadCalls;
import java.lang.invoke.VarHandle;

/// A full fence of which the rare side pays for both, by membarrier(2). Many threads write something, call
/// [#afterWrite], and then read a flag. One thread sets the flag, calls [#ofAllThreads], and then reads what they have
/// written. A thread that has not seen the flag has its write seen.
///
/// Without it the processor, or the compiler, may read the flag first. Then the write may come as late as its page.
public final class MemoryBarrier {
    /// `MEMBARRIER_CMD_PRIVATE_EXPEDITED`.
    private static final int ALL_THREADS = 1 << 3;

    /// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED`.
    private static final int REGISTER = 1 << 4;

    private MemoryBarrier() {}

    /// Keeps a write in front of the reads that follow, together with [#ofAllThreads]. Costs no instruction on x86.
    public static void afterWrite() {
        VarHandle.releaseFence();
    }

    /// Runs a full fence on each thread of this process.
    ///
    /// @throws KvmException ENOSYS: the host's kernel has no membarrier(2)
    public static void ofAllThreads() {
        require(ThreadCalls.membarrier(REGISTER));
        require(ThreadCalls.membarrier(ALL_THREADS));
    }

    private static void require(int result) {
        if (result < 0) {
            throw new KvmException("membarrier", -result);
        }
    }
}
