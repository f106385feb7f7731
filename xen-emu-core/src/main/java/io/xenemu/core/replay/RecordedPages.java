package io.xenemu.core.replay;

import io.xenemu.core.trace.TracedAccess;
import io.xenemu.core.trace.TracedCall;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.LinearTranslation;
import java.util.HashMap;
import java.util.Map;

/// The linear address space of a recorded call: the pages that it has reached, and no others. An access that failed is
/// not recorded, so it fails here too. For one thread.
final class RecordedPages implements LinearTranslation {
    private static final int PAGE = GuestMemory.PAGE_SIZE;

    /// A page that was reached.
    ///
    /// @param frame guest-physical address of the page
    private record Page(long frame, boolean isWritable) {}

    private final Map<Long, Page> pages = new HashMap<>();
    private boolean isWritable;

    /// Shows the pages of a call.
    void show(TracedCall call) {
        pages.clear();
        for (TracedAccess access : call.accesses()) {
            // An access may go on in the next page if that is the next one of physical memory too.
            long frame = access.physical() & -PAGE;
            long first = access.linear() & (PAGE - 1);
            for (long at = 0; at == 0 || at < first + access.bytes().length; at += PAGE) {
                Page page = new Page(frame + at, access.kind().isWrite());
                long own = Math.floorDiv(access.linear(), PAGE) + at / PAGE;
                pages.merge(own, page, RecordedPages::both);
            }
        }
    }

    private static Page both(Page before, Page now) {
        return new Page(now.frame(), before.isWritable() || now.isWritable());
    }

    @Override
    public long translate(CpuState cpu, long linear, boolean write) throws XenError {
        Page page = pages.get(Math.floorDiv(linear, PAGE));
        if (page == null || (write && !page.isWritable())) {
            throw XenError.EFAULT;
        }
        isWritable = page.isWritable();
        return page.frame() | (linear & (PAGE - 1));
    }

    @Override
    public boolean holdsForWrites() {
        return isWritable;
    }
}
