package io.xenemu.core.domain;

import io.xenemu.evtchn.EventChannels;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.ioctl.XenVcpuAttributes;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.LinearMemory;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The areas in guest memory that KVM keeps up to date for one vCPU: vcpu_info, the second time area and the runstate.
public final class VcpuAreas {
    /// `sizeof(vcpu_info_t)`.
    private static final int VCPU_INFO_SIZE = 64;

    private static final int VCPU_INFO_ALIGN = 4;
    private static final int TIME_INFO_SIZE = 32;
    private static final int RUNSTATE_SIZE_64 = 48;
    private static final int RUNSTATE_SIZE_32 = 44;

    /// vCPUs that have a place in shared_info (`XEN_LEGACY_MAX_VCPUS`).
    private static final int LEGACY_VCPUS = 32;

    private final Vcpu vcpu;
    private final GuestMemory memory;
    private final EventChannels channels;
    private final Set<XenCapability> capabilities;

    /// Whether the guest has said where vcpu_info is; for the vCPU's thread, so that one registration comes first.
    private volatile boolean registered;

    private volatile boolean placed;

    VcpuAreas(
            Vcpu vcpu,
            GuestMemory memory,
            EventChannels channels,
            Set<XenCapability> capabilities) {
        this.vcpu = vcpu;
        this.memory = memory;
        this.channels = channels;
        this.capabilities = capabilities;
    }

    /// Uses the vCPU's place in shared_info until the guest registers another.
    ///
    /// @param sharedInfo the service's mapping of the page
    /// @param gfn where the guest sees it; asked on the vCPU's thread, so that of two moves the later one stays
    void useSharedInfo(MemorySegment sharedInfo, LongSupplier gfn) {
        int i = vcpu.id().value();
        if (i >= LEGACY_VCPUS) {
            return;
        }
        long offset = (long) i * VCPU_INFO_SIZE;
        vcpu.call(attributes -> {
            if (registered) {
                return;
            }
            if (capabilities.contains(XenCapability.SHARED_INFO_HVA)) {
                attributes.vcpuInfoHva(sharedInfo.asSlice(offset, VCPU_INFO_SIZE));
            } else {
                attributes.vcpuInfo(gfn.getAsLong() * SpecialPages.PAGE_SIZE + offset);
            }
            placed = true;
        });
    }

    /// Whether KVM knows of a place for the vCPU's events.
    boolean hasVcpuInfo() {
        return placed;
    }

    /// VCPUOP_register_vcpu_info. Everything that is pending stays pending: KVM changes over first, and what it has put
    /// into the old place by then is made up for by an upcall that looks at every port.
    ///
    /// @throws XenError EINVAL when registered before, or the frame is no memory; ENXIO when the structure would be
    /// misaligned or cross a page (`map_guest_area` in Xen's common/domain.c)
    public void registerVcpuInfo(long gfn, long offset) throws XenError {
        if (Long.compareUnsigned(gfn, Long.MAX_VALUE / SpecialPages.PAGE_SIZE) > 0) {
            throw XenError.EINVAL;
        }
        if (offset >= SpecialPages.PAGE_SIZE) {
            throw XenError.EINVAL;
        }
        if (offset % VCPU_INFO_ALIGN != 0 || offset > SpecialPages.PAGE_SIZE - VCPU_INFO_SIZE) {
            throw XenError.ENXIO;
        }
        long gpa = gfn * SpecialPages.PAGE_SIZE + offset;
        MemorySegment place;
        try {
            place = memory.segment(gpa, VCPU_INFO_SIZE);
        } catch (XenError e) {
            throw XenError.EINVAL;
        }
        set(attributes -> {
            if (registered) {
                throw XenError.EINVAL;
            }
            attributes.vcpuInfo(gpa);
            registered = true;
            placed = true;
            channels.setVcpuInfo(vcpu.id(), place);
        });
    }

    /// VCPUOP_register_vcpu_time_memory_area. KVM needs the area in one page, where Xen would take it across two.
    ///
    /// @param address the caller's linear address, 0 to end it
    /// @throws XenError EFAULT when the address is not mapped, EINVAL when the area crosses a page
    public void registerTime(LinearMemory linear, long address) throws XenError {
        long gpa = physical(linear, address, TIME_INFO_SIZE);
        if (gpa % SpecialPages.PAGE_SIZE > SpecialPages.PAGE_SIZE - TIME_INFO_SIZE) {
            throw XenError.EINVAL;
        }
        set(attributes -> attributes.vcpuTimeInfo(gpa));
    }

    /// VCPUOP_register_runstate_memory_area.
    ///
    /// @throws XenError EFAULT when the address is not mapped; EINVAL when the area crosses into a page that does not
    /// follow physically, which KVM cannot serve; EOPNOTSUPP on a host that does not account for it
    public void registerRunstate(LinearMemory linear, long address, GuestWidth width)
            throws XenError {
        if (!capabilities.contains(XenCapability.RUNSTATE)) {
            throw XenError.EOPNOTSUPP;
        }
        int size = width == GuestWidth.BITS_64 ? RUNSTATE_SIZE_64 : RUNSTATE_SIZE_32;
        long gpa = physical(linear, address, size);
        set(attributes -> attributes.runstateAddr(gpa));
    }

    private static long physical(LinearMemory linear, long address, int size) throws XenError {
        long gpa = linear.translate(address, true);
        long last = linear.translate(address + size - 1, true);
        if (last - gpa != size - 1) {
            throw XenError.EINVAL;
        }
        return gpa;
    }

    private interface Change {
        void apply(XenVcpuAttributes attributes) throws XenError;
    }

    /// Makes a change on the vCPU's thread, one after another, whichever vCPUs ask for them.
    private void set(Change change) throws XenError {
        AtomicReference<@Nullable XenError> refused = new AtomicReference<>();
        vcpu.call(attributes -> {
            try {
                change.apply(attributes);
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

    /// What KVM says of an address that the guest chose; all else is no fault of the guest's.
    private static XenError guestsFault(KvmException e) {
        return switch (e.errno()) {
            case Errno.EINVAL, Errno.EFAULT -> XenError.EINVAL;
            default -> throw e;
        };
    }
}
