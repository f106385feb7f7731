package io.xenemu.core.domain;

import io.xenemu.kvm.thread.CpuAffinity;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// The CPUs of the host that a vCPU's thread may run on. Any thread asks for them; the vCPU's own takes them.
final class VcpuAffinity {
    /// All that the service may use.
    static final String ALL = "all";

    private volatile @Nullable BitSet wanted;

    /// Those of the thread before it was first pinned. For the thread alone.
    private @Nullable BitSet own;

    /// Asks for CPUs.
    ///
    /// @param cpus one that the service may use among them; empty for all that it may use
    void want(BitSet cpus) {
        wanted = (BitSet) cpus.clone();
    }

    /// Takes the CPUs that were asked for last. Called on the vCPU's thread.
    void take() {
        BitSet cpus = wanted;
        if (cpus == null) {
            return;
        }
        BitSet first = own;
        if (first == null) {
            first = CpuAffinity.current();
            own = first;
        }
        CpuAffinity.set(cpus.isEmpty() ? first : cpus);
    }

    /// Numbers and ranges, such as `2-3,6`.
    @Override
    public String toString() {
        BitSet cpus = wanted;
        if (cpus == null || cpus.isEmpty()) {
            return ALL;
        }
        StringBuilder text = new StringBuilder();
        for (int from = cpus.nextSetBit(0); from >= 0; ) {
            int to = cpus.nextClearBit(from) - 1;
            text.append(text.isEmpty() ? "" : ",").append(from);
            if (to > from) {
                text.append('-').append(to);
            }
            from = cpus.nextSetBit(to + 1);
        }
        return text.toString();
    }
}
