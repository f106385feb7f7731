package io.xenemu.core.domain;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.LinearMemory;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The areas in guest memory that KVM keeps up to date for one vCPU: vcpu_info, the second time area and the runstate.
public final class VcpuAreas {
    /// `sizeof(vcpu_info_t)`.
    static final int VCPU_INFO_SIZE = 64;

    private static final int TIME_INFO_SIZE = 32;
    private static final int RUNSTATE_SIZE_64 = 48;
    private static final int RUNSTATE_SIZE_32 = 44;

    /// vCPUs that have a place in shared_info (`XEN_LEGACY_MAX_VCPUS`).
    static final int LEGACY_VCPUS = 32;

    private final Vcpu vcpu;
    private final Domain domain;
    private final RunstateAccount account;
    private final GuestMemory memory;
    private final EventChannels channels;

    /// Whether the guest sees a Xen before 4.18.
    private final boolean old;

    /// Whether the guest has registered vcpu_info since its start or soft reset. Changed only on the vCPU's thread, so
    /// that of two registrations one comes first.
    private volatile boolean registered;

    private volatile boolean placed;

    private final WrittenArea time = new WrittenArea(VcpuPort::vcpuTimeInfo);
    private final WrittenArea runstate = new WrittenArea(VcpuPort::runstateAddr);

    /// The address of the registered vcpu_info; for the vCPU's thread.
    private long vcpuInfo = VcpuPort.INVALID_GPA;

    /// Their saved state.
    ///
    /// @param vcpuInfo guest-physical address, or [VcpuPort#INVALID_GPA] for the vCPU's place in shared_info
    /// @param time the second time area
    /// @param runstate the runstate area
    /// @param account what that area shows
    /// @param power whether the vCPU is down
    record State(
            long vcpuInfo,
            WrittenArea.State time,
            WrittenArea.State runstate,
            Runstate account,
            VcpuPower.State power) {}

    VcpuAreas(Vcpu vcpu, Domain domain, RunstateAccount account) {
        this.vcpu = vcpu;
        this.domain = domain;
        this.account = account;
        this.memory = domain.memory().guest();
        this.channels = domain.eventChannels();
        this.old = !domain.config().isXenFrom(4, 18);
    }

    /// Uses the vCPU's place in shared_info until the guest registers another.
    ///
    /// @param sharedInfo the service's mapping of the page
    /// @param gfn the guest's frame of it; called on the vCPU's thread, so that of two moves the later one wins
    void useSharedInfo(MemorySegment sharedInfo, LongSupplier gfn) {
        int i = vcpu.id().value();
        if (i >= LEGACY_VCPUS) {
            return;
        }
        long offset = (long) i * VCPU_INFO_SIZE;
        vcpu.call(port -> {
            if (registered) {
                return;
            }
            if (domain.capabilities().contains(XenCapability.SHARED_INFO_HVA)) {
                port.vcpuInfoHva(sharedInfo.asSlice(offset, VCPU_INFO_SIZE));
            } else {
                port.vcpuInfo(gfn.getAsLong() * GuestMemory.PAGE_SIZE + offset);
            }
            placed = true;
        });
    }

    /// Whether KVM has a place for the vCPU's events.
    boolean hasVcpuInfo() {
        return placed;
    }

    /// VCPUOP_register_vcpu_info. No pending event is lost. KVM changes to the new place first; then an upcall makes
    /// the guest check every port. That covers events that KVM had written to the old place.
    ///
    /// @param offset in the frame, 32 bits
    /// @param caller the calling vCPU
    /// @throws XenError EINVAL the frame is no memory of the domain, or the offset is not in it; EBUSY already
    ///     registered; ENXIO the structure crosses a page, or is not aligned to an `unsigned long` of the domain.
    ///     Before Xen 4.18: ENXIO also for an offset beyond the page; EINVAL already registered, or another vCPU
    ///     that is up
    public void registerVcpuInfo(long gfn, long offset, Vcpu caller) throws XenError {
        if (old) {
            requirePlace(offset);
            if (!caller.equals(vcpu) && vcpu.isUp()) {
                throw XenError.EINVAL;
            }
        }
        boolean impossible = Long.compareUnsigned(gfn, Long.MAX_VALUE / GuestMemory.PAGE_SIZE) > 0;
        if (impossible || offset >= GuestMemory.PAGE_SIZE) {
            throw XenError.EINVAL;
        }
        if (registered) {
            throw registeredBefore();
        }
        requirePlace(offset);
        long gpa = gfn * GuestMemory.PAGE_SIZE + offset;
        MemorySegment place = domain.memory().page(gfn).asSlice(offset, VCPU_INFO_SIZE);
        set(port -> {
            if (registered) {
                throw registeredBefore();
            }
            port.vcpuInfo(gpa);
            registered = true;
            placed = true;
            vcpuInfo = gpa;
            channels.setVcpuInfo(vcpu.id(), place);
        });
    }

    /// Ends all areas, and the vCPU's place in shared_info, as a soft reset does; the vCPU does not run.
    void reset() {
        vcpu.call(port -> {
            if (placed) {
                port.vcpuInfo(VcpuPort.INVALID_GPA);
            }
            time.end(port);
            runstate.end(port);
            registered = false;
            placed = false;
            vcpuInfo = VcpuPort.INVALID_GPA;
            try {
                channels.forgetVcpuInfo(vcpu.id());
            } catch (XenError e) {
                throw new IllegalStateException(vcpu + " has no event channels", e);
            }
        });
    }

    /// Their state; the vCPU does not run.
    State save() {
        AtomicReference<State> state = new AtomicReference<>();
        vcpu.call(_ ->
                state.set(
                        new State(
                                vcpuInfo,
                                time.save(),
                                runstate.save(),
                                account.save(),
                                vcpu.savePower())));
        return Objects.requireNonNull(state.get());
    }

    /// Registers a saved vCPU's areas. Changes only the memory that KVM writes.
    ///
    /// @throws IllegalArgumentException if there is no memory
    void restore(State state) {
        if (state.runstate().physical() != VcpuPort.INVALID_GPA) {
            domain.sharedInfo().markRunstates();
        }
        try {
            set(port -> {
                if (state.vcpuInfo() != VcpuPort.INVALID_GPA) {
                    MemorySegment place =
                            domain.memory()
                                    .namedBefore(state.vcpuInfo() / GuestMemory.PAGE_SIZE)
                                    .asSlice(
                                            state.vcpuInfo() % GuestMemory.PAGE_SIZE,
                                            VCPU_INFO_SIZE);
                    port.vcpuInfo(state.vcpuInfo());
                    registered = true;
                    placed = true;
                    vcpuInfo = state.vcpuInfo();
                    channels.restoreVcpuInfo(vcpu.id(), place);
                }
                awaitPages(state.time(), TIME_INFO_SIZE);
                awaitPages(state.runstate(), RUNSTATE_SIZE_64);
                time.restore(port, state.time());
                // First, since the area is filled when it is registered.
                account.restore(state.account());
                runstate.restore(port, state.runstate());
                vcpu.restorePower(state.power());
            });
        } catch (XenError e) {
            throw new IllegalArgumentException(vcpu + " cannot have the areas " + state, e);
        }
    }

    /// Waits for the pages of an area, which KVM must not wait for: nothing can interrupt that.
    private void awaitPages(WrittenArea.State area, int size) throws XenError {
        long first = area.written();
        for (long gpa : new long[] {first, first + size - 1}) {
            if (first != VcpuPort.INVALID_GPA && memory.contains(gpa, 1)) {
                int _ = memory.read8(gpa);
            }
        }
    }

    private XenError registeredBefore() {
        return old ? XenError.EINVAL : XenError.EBUSY;
    }

    private void requirePlace(long offset) throws XenError {
        boolean crosses = offset > GuestMemory.PAGE_SIZE - VCPU_INFO_SIZE;
        if (crosses || offset % domain.sharedInfo().width().bytes() != 0) {
            throw XenError.ENXIO;
        }
    }

    /// VCPUOP_register_vcpu_time_memory_area. As on Xen, any address is accepted, and an unwritable area is not
    /// written. Xen translates the address each time; KVM keeps the page that is there now, and needs the area in one
    /// page, where Xen accepts two.
    ///
    /// @param address the caller's linear address, 0 to end it
    /// @throws XenError EINVAL the area crosses a page
    public void registerTime(LinearMemory linear, long address) throws XenError {
        long gpa = place(linear, address, TIME_INFO_SIZE);
        if (gpa != VcpuPort.INVALID_GPA
                && gpa % GuestMemory.PAGE_SIZE > GuestMemory.PAGE_SIZE - TIME_INFO_SIZE) {
            throw XenError.EINVAL;
        }
        set(port -> time.registerLinear(port, gpa));
    }

    /// VCPUOP_register_runstate_memory_area; as [#registerTime].
    ///
    /// @throws XenError EINVAL the area crosses into a page that does not follow physically, which KVM cannot serve;
    ///     EOPNOTSUPP the host does not account runstates
    public void registerRunstate(LinearMemory linear, long address) throws XenError {
        long gpa = place(linear, address, runstateSize(domain.sharedInfo().width()));
        boolean none = gpa == VcpuPort.INVALID_GPA;
        if (!none && !domain.capabilities().contains(XenCapability.RUNSTATE)) {
            throw XenError.EOPNOTSUPP;
        }
        set(port -> runstate.registerLinear(port, gpa));
    }

    private static int runstateSize(GuestWidth width) {
        return width == GuestWidth.BITS_64 ? RUNSTATE_SIZE_64 : RUNSTATE_SIZE_32;
    }

    /// Whether a domain's guest may register second time areas by physical address (XENFEAT_vcpu_time_phys_area), as
    /// from Xen 4.18 on.
    public static boolean offerPhysicalTime(Domain domain) {
        return domain.config().isXenFrom(4, 18);
    }

    /// Whether a domain's guest may register runstate areas by physical address (XENFEAT_runstate_phys_area), as from
    /// Xen 4.18 on. Needs a host that accounts runstates.
    public static boolean offerPhysicalRunstate(Domain domain) {
        return domain.config().isXenFrom(4, 18)
                && domain.capabilities().contains(XenCapability.RUNSTATE);
    }

    /// VCPUOP_register_vcpu_time_phys_area. Xen keeps the page that is there now; KVM keeps the address.
    ///
    /// @param gpa any 64 bits, [VcpuPort#INVALID_GPA] to end it
    /// @throws XenError ENXIO the area crosses a page, or is not aligned to an `unsigned long` of the domain; EINVAL
    ///     there is no memory of the domain
    public void registerTimePhysical(long gpa) throws XenError {
        requireOnePage(gpa, TIME_INFO_SIZE);
        set(port -> time.registerPhysical(port, gpa));
    }

    /// VCPUOP_register_runstate_phys_area; as [#registerTimePhysical]. Xen writes the caller's layout, KVM the
    /// domain's. The longer of both has to be in the page.
    ///
    /// @param caller the caller's width
    /// @throws XenError the same
    public void registerRunstatePhysical(long gpa, GuestWidth caller) throws XenError {
        int written = runstateSize(domain.sharedInfo().width());
        requireOnePage(gpa, Math.max(written, runstateSize(caller)));
        if (gpa != VcpuPort.INVALID_GPA) {
            domain.sharedInfo().markRunstates();
        }
        set(port -> runstate.registerPhysical(port, gpa));
    }

    /// Makes the checks of Xen's `map_guest_area`, in its order.
    private void requireOnePage(long gpa, int size) throws XenError {
        if (gpa == VcpuPort.INVALID_GPA) {
            return;
        }
        long offset = gpa & (GuestMemory.PAGE_SIZE - 1);
        boolean crosses = offset > GuestMemory.PAGE_SIZE - size;
        if (crosses || offset % domain.sharedInfo().width().bytes() != 0) {
            throw XenError.ENXIO;
        }
        domain.memory().page(gpa >>> Long.numberOfTrailingZeros(GuestMemory.PAGE_SIZE));
    }

    /// The guest-physical address of an area.
    ///
    /// @return INVALID_GPA if the address is 0, or not all of the area can be written
    private long place(LinearMemory linear, long address, int size) throws XenError {
        if (address == 0) {
            return VcpuPort.INVALID_GPA;
        }
        long gpa;
        long last;
        try {
            gpa = linear.translate(address, true);
            last = linear.translate(address + size - 1, true);
            memory.check(gpa, 1, true);
            memory.check(last, 1, true);
        } catch (XenError e) {
            return VcpuPort.INVALID_GPA;
        }
        if (last - gpa != size - 1) {
            throw XenError.EINVAL;
        }
        return gpa;
    }

    private interface Change {
        void apply(VcpuPort port) throws XenError;
    }

    /// Runs a change on the vCPU's thread; changes run one after another, whichever vCPUs request them.
    private void set(Change change) throws XenError {
        AtomicReference<@Nullable XenError> refused = new AtomicReference<>();
        vcpu.call(port -> {
            try {
                change.apply(port);
            } catch (XenError e) {
                refused.set(e);
            } catch (KvmException e) {
                refused.set(guestsFault(e));
            }
        });
        XenError error = refused.get();
        if (error != null) {
            throw error;
        }
    }

    /// The guest's error for KVM's refusal of an address that the guest chose; other failures are not the guest's
    /// fault.
    private static XenError guestsFault(KvmException e) {
        return switch (e.errno()) {
            case Errno.EINVAL, Errno.EFAULT -> XenError.EINVAL;
            default -> throw e;
        };
    }
}
