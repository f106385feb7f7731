package io.xenemu.core.domain;

import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.VmPort;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.SharedInfoStructs.VcpuInfo;
import io.xenemu.kvm.abi.xen.SharedInfoStructs.VcpuTimeInfo;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.GuestField.U32;
import java.lang.foreign.MemorySegment;

/// A domain's shared_info page: where the guest sees it, and the layout of it and of the other structures that the
/// guest shares with Xen.
public final class SharedInfo {
    private final Domain domain;

    /// Held while shared_info moves or changes its layout, so that KVM and the modules end with the same state. A
    /// thread that holds it never waits for a vCPU.
    private final Object change = new Object();

    /// Starts as `DomainBuilder` has set it in KVM. Changed under [#change].
    private volatile GuestWidth width = GuestWidth.BITS_64;

    private volatile boolean mapped;
    private volatile long gfn;
    private volatile boolean runstateUpdateFlag;

    /// Whether KVM marks runstate areas in any case. Changed under [#change].
    private volatile boolean runstatesMarked;

    /// Xen's `time_offset`: seconds that the wall clock is ahead of the host's. Changed under [#change].
    private long timeOffset;

    /// Its saved state. The page's contents are saved with the memory, as those of every special page.
    ///
    /// @param mapped whether the guest has shown the page since its start or soft reset; only then does KVM know it
    /// @param gfn the last frame at which it was shown
    /// @param runstateUpdateFlag VMASST_TYPE_runstate_update_flag
    record State(GuestWidth width, boolean mapped, long gfn, boolean runstateUpdateFlag) {}

    SharedInfo(Domain domain) {
        this.domain = domain;
    }

    /// The service's mapping of the page.
    MemorySegment page() {
        return domain.special().page(SpecialPages.SHARED_INFO);
    }

    /// Changes the width of the guest's shared structures, as Xen's `hvm_latch_shinfo_size`: only
    /// HVM_PARAM_CALLBACK_IRQ and the hypercall MSR do so. Only this method changes it, here and in KVM, which writes
    /// the wall clock each time.
    ///
    /// KVM has fewer ports for a 32-bit domain, and refuses calls that name a port beyond its limit. So those ports
    /// leave its table first.
    public void latchWidth(GuestWidth next) {
        synchronized (change) {
            if (next == GuestWidth.BITS_32) {
                domain.eventChannels().narrowKernelPorts(next);
            }
            domain.vm().longMode(next == GuestWidth.BITS_64);
            width = next;
            shiftWallClock();
            domain.eventChannels().setSharedInfo(page(), next);
        }
    }

    /// The width of the guest's shared structures: shared_info, vcpu_info and runstate areas.
    public GuestWidth width() {
        return width;
    }

    /// XENMAPSPACE_shared_info: shows the page at `newGfn`, tells KVM, and sets each vCPU's place in it. The page keeps
    /// its layout.
    ///
    /// @throws XenError EINVAL for an index other than 0 or an impossible frame
    public void map(long index, long newGfn) throws XenError {
        if (index != 0) {
            throw XenError.EINVAL;
        }
        synchronized (change) {
            domain.pages().show(SpecialPages.SHARED_INFO, newGfn);
            tellKvm(newGfn);
        }
        domain.vcpus().forEach(this::place);
    }

    private void tellKvm(long newGfn) {
        if (domain.capabilities().contains(XenCapability.SHARED_INFO_HVA)) {
            domain.vm().sharedInfoHva(page());
        } else {
            domain.vm().sharedInfoGfn(newGfn);
        }
        gfn = newGfn;
        mapped = true;
        shiftWallClock();
    }

    /// Sets how far the guest's wall clock is ahead of the host's UTC, as XEN_DOMCTL_settimeoffset. A guest that sees
    /// shared_info sees the new time at once.
    ///
    /// @param seconds negative for a clock that is behind
    public void timeOffset(long seconds) {
        synchronized (change) {
            boolean changes = timeOffset != seconds;
            timeOffset = seconds;
            if (changes && mapped) {
                // Makes KVM write the host's time again.
                domain.vm().longMode(width == GuestWidth.BITS_64);
                shiftWallClock();
            }
        }
    }

    /// Adds the offset to the wall clock that KVM has just written. KVM knows no offset, and writes it only when it is
    /// told the place or the layout of shared_info.
    private void shiftWallClock() {
        if (mapped && timeOffset != 0) {
            new WallClock(page(), width).add(timeOffset);
        }
    }

    private void place(Vcpu vcpu) {
        vcpu.areas().useSharedInfo(page(), () -> gfn);
    }

    /// Takes the page from the guest, as a soft reset does. A zeroed page of RAM is at its frame again, as with Xen,
    /// unless the frame has no RAM. The page itself is zeroed but for the times, which Xen does not do. Its layout
    /// stays. No vCPU runs, or has its place in the page.
    void reset() {
        synchronized (change) {
            if (mapped) {
                domain.vm().sharedInfoGfn(VmPort.INVALID_GFN);
                domain.pages().hide(SpecialPages.SHARED_INFO);
                mapped = false;
                gfn = 0;
            }
            clearAllButTimes();
            if (runstateUpdateFlag || runstatesMarked) {
                runstatesMarked = false;
                setRunstateUpdateFlag(false);
            }
        }
    }

    /// The times stay, as on Xen, because KVM writes that of a vCPU only when that vCPU enters the guest. After a crash
    /// on another vCPU, vCPU 0 stays halted, and the crash kernel divides by a field of its time (Linux's
    /// `xen_tsc_khz`).
    private void clearAllButTimes() {
        MemorySegment page = page();
        long next = 0;
        for (int i = 0; i < VcpuAreas.LEGACY_VCPUS; i++) {
            long time = (long) i * VcpuAreas.VCPU_INFO_SIZE + at(VcpuInfo.TIME_VERSION);
            page.asSlice(next, time - next).fill((byte) 0);
            next = time + VcpuTimeInfo.STRUCT.size(width);
        }
        page.asSlice(next).fill((byte) 0);
    }

    private long at(U32 field) {
        return width == GuestWidth.BITS_64 ? field.offset64() : field.offset32();
    }

    boolean isMapped() {
        return mapped;
    }

    /// VMASST_TYPE_runstate_update_flag.
    public void setRunstateUpdateFlag(boolean enable) {
        synchronized (change) {
            runstateUpdateFlag = enable;
            tellUpdateFlag();
        }
    }

    /// Marks every runstate area while it is written, also without the guest's VMASST_TYPE_runstate_update_flag.
    /// Xen always does so for an area by physical address; KVM has one flag for all areas of a domain.
    void markRunstates() {
        synchronized (change) {
            if (!runstatesMarked) {
                runstatesMarked = true;
                tellUpdateFlag();
            }
        }
    }

    private void tellUpdateFlag() {
        if (domain.capabilities().contains(XenCapability.RUNSTATE_UPDATE_FLAG)) {
            domain.vm().runstateUpdateFlag(runstateUpdateFlag || runstatesMarked);
        }
    }

    /// Its state; no vCPU runs.
    State save() {
        return new State(width, mapped, gfn, runstateUpdateFlag);
    }

    /// Tells KVM the place and layout of a restored page, which the event channels know already. The vCPUs use their
    /// places in the page from now on.
    void restore(State state) {
        synchronized (change) {
            width = state.width();
            domain.vm().longMode(width == GuestWidth.BITS_64);
            setRunstateUpdateFlag(state.runstateUpdateFlag());
            if (state.mapped()) {
                tellKvm(state.gfn());
            }
        }
        if (mapped) {
            domain.vcpus().forEach(this::place);
        }
    }
}
