package io.xenemu.core.domain;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.memory.DomainPhysmap;
import io.xenemu.core.memory.HolePages;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.ValueLayout;
import java.util.function.LongPredicate;

/// The memory of a VM. Each special page has its [#tag] in its first word, which tells where it is shown.
public final class OverlaidGuest implements AutoCloseable {
    static final long RAM_BYTES = GuestMemoryMap.MIN_BYTES;
    public static final int GRANT_FRAMES = 4;

    /// Enough mappings for a hundred pages of others, a few windows, and the guest's own pages.
    public static final long MAPPINGS = 260;

    private final FakeVm vm = new FakeVm();
    public final SpecialPages special;
    public final HostBudget budget =
            new HostBudget("mappings", "mmap", Errno.ENOMEM, "test", MAPPINGS);
    final HostBudget.Share mappings = budget.open(0, 0);
    private final HolePages holes = new HolePages();
    public final DomainMemory memory;
    public final DomainPhysmap physmap;

    /// A guest whose pages nobody else uses.
    public OverlaidGuest() throws BootException {
        this(_ -> false);
    }

    /// @param inUse whether others use the page of that number
    public OverlaidGuest(LongPredicate inUse) throws BootException {
        this(RAM_BYTES, inUse);
    }

    /// @param bytes of its RAM
    /// @param inUse whether others use the page of that number
    public OverlaidGuest(long bytes, LongPredicate inUse) throws BootException {
        special = new SpecialPages("test-special", GRANT_FRAMES, 0);
        for (int page = 0; page < special.count(); page++) {
            special.page(page).set(ValueLayout.JAVA_INT, 0, tag(page));
        }
        memory =
                new DomainMemory(
                        vm,
                        "test",
                        new GuestMemoryMap(bytes),
                        bytes,
                        special,
                        mappings,
                        holes,
                        null);
        physmap = new DomainPhysmap(memory, inUse);
    }

    public static int tag(int page) {
        return 0x5eed_0000 + page;
    }

    /// The first word of the page that the guest has at `gfn`.
    ///
    /// @throws XenError EFAULT if there is none
    public int word(long gfn) throws XenError {
        return memory.guest().read32(gfn * GuestMemory.PAGE_SIZE);
    }

    /// The first word of the page that KVM shows the guest at `gfn`, from other domains too.
    public int seen(long gfn) {
        return memory.seenByGuest(gfn).get(ValueLayout.JAVA_INT, 0);
    }

    /// Shows a special page.
    public void overlay(int page, long gfn) throws XenError {
        physmap.overlay(page, gfn);
    }

    public void setWord(long gfn, int value) throws XenError {
        memory.guest().write32(gfn * GuestMemory.PAGE_SIZE, value);
    }

    @Override
    public void close() {
        vm.close();
        memory.close();
        special.close();
        holes.close();
    }
}
