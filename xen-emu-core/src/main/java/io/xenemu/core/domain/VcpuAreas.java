package io.xenemu.core.domain;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
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
    private static final int VCPU_INFO_SIZE = 64;

    private static final int TIME_INFO_SIZE = 32;
    private static final int RUNSTATE_SIZE_64 = 48;
    private static final int RUNSTATE_SIZE_32 = 44;

    /// vCPUs that have a place in shared_info (`XEN_LEGACY_MAX_VCPUS`).
    private static final int LEGACY_VCPUS = 32;

    private final Vcpu vcpu;
    private final Domain domain;
    private final GuestMemory memory;
    private final EventChannels channels;

    /// Whether the guest sees a Xen before 4.18.
    private final boolean old;

    /// Whether the guest has registered vcpu_info since its start or soft reset. Changed only on the vCPU's thread, so
    /// that of two registrations one comes first.
    private volatile boolean registered;

    private volatile boolean placed;

    /// The addresses to which KVM writes the second time area and the runstate; for the vCPU's thread.
    private long timeArea = VcpuPort.INVALID_GPA;

    private long runstateArea = VcpuPort.INVALID_GPA;

    /// The address of the registered vcpu_info; for the vCPU's thread.
    private long vcpuInfo = VcpuPort.INVALID_GPA;

    /// Their saved state: guest-physical addresses, [VcpuPort#INVALID_GPA] for an area that is not registered.
    ///
    /// @param vcpuInfo without it, the vCPU has its place in shared_info
    /// @param time the second time area
    /// @param runstate the runstate area
    record State(long vcpuInfo, long time, long runstate) {}

    VcpuAreas(Vcpu vcpu, Domain domain) {
        this.vcpu = vcpu;
        this.domain = domain;
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
    /// @throws XenError EINVAL the frame is no memory, or the offset is not in it; EBUSY already registered; ENXIO
    ///     the structure crosses a page, or is not aligned to an `unsigned long` of the domain. Before Xen 4.18:
    ///     ENXIO also for an offset beyond the page; EINVAL already registered, or another vCPU that is up
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
        MemorySegment place;
        try {
            place = memory.segment(gpa, VCPU_INFO_SIZE);
        } catch (XenError e) {
            throw XenError.EINVAL;
        }
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
            if (timeArea != VcpuPort.INVALID_GPA) {
                port.vcpuTimeInfo(VcpuPort.INVALID_GPA);
            }
            if (runstateArea != VcpuPort.INVALID_GPA) {
                port.runstateAddr(VcpuPort.INVALID_GPA);
            }
            registered = false;
            placed = false;
            vcpuInfo = VcpuPort.INVALID_GPA;
            timeArea = VcpuPort.INVALID_GPA;
            runstateArea = VcpuPort.INVALID_GPA;
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
        vcpu.call(_ -> state.set(new State(vcpuInfo, timeArea, runstateArea)));
        return Objects.requireNonNull(state.get());
    }

    /// Registers a saved vCPU's areas. Changes only the memory that KVM writes.
    ///
    /// @throws IllegalArgumentException if there is no memory
    void restore(State state) {
        try {
            set(port -> {
                if (state.vcpuInfo() != VcpuPort.INVALID_GPA) {
                    MemorySegment place = memory.segment(state.vcpuInfo(), VCPU_INFO_SIZE);
                    port.vcpuInfo(state.vcpuInfo());
                    registered = true;
                    placed = true;
                    vcpuInfo = state.vcpuInfo();
                    channels.restoreVcpuInfo(vcpu.id(), place);
                }
                if (state.time() != VcpuPort.INVALID_GPA) {
                    port.vcpuTimeInfo(state.time());
                    timeArea = state.time();
                }
                if (state.runstate() != VcpuPort.INVALID_GPA) {
                    port.runstateAddr(state.runstate());
                    runstateArea = state.runstate();
                }
            });
        } catch (XenError e) {
            throw new IllegalArgumentException(vcpu + " cannot have the areas " + state, e);
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
        set(port -> {
            // Without an area there is nothing to end. The same area is filled again.
            if (gpa != VcpuPort.INVALID_GPA || timeArea != gpa) {
                port.vcpuTimeInfo(gpa);
                timeArea = gpa;
            }
        });
    }

    /// VCPUOP_register_runstate_memory_area; as [#registerTime].
    ///
    /// @throws XenError EINVAL the area crosses into a page that does not follow physically, which KVM cannot serve;
    ///     EOPNOTSUPP the host does not account runstates
    public void registerRunstate(LinearMemory linear, long address) throws XenError {
        boolean wide = domain.sharedInfo().width() == GuestWidth.BITS_64;
        long gpa = place(linear, address, wide ? RUNSTATE_SIZE_64 : RUNSTATE_SIZE_32);
        boolean none = gpa == VcpuPort.INVALID_GPA;
        if (!none && !domain.capabilities().contains(XenCapability.RUNSTATE)) {
            throw XenError.EOPNOTSUPP;
        }
        set(port -> {
            if (!none || runstateArea != gpa) {
                port.runstateAddr(gpa);
                runstateArea = gpa;
            }
        });
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
