package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.XenError;

/// Translates a caller's linear addresses. [PageWalk] reads the guest's page tables; the replay of a trace knows the
/// pages from the record.
public interface LinearTranslation {
    /// The guest-physical address for `linear`, valid for the rest of its 4 KiB page.
    ///
    /// @throws XenError EFAULT where the processor would raise a page fault
    long translate(CpuState cpu, long linear, boolean write) throws XenError;

    /// Whether the last translation holds for writes too.
    boolean holdsForWrites();
}
