package io.xenemu.core.hypercall;

import static io.xenemu.core.hypercall.FixedAnswer.refusal;
import static io.xenemu.core.hypercall.FixedAnswer.success;

import io.xenemu.core.hypercall.Check.AtMost;
import io.xenemu.core.hypercall.Check.Is;
import io.xenemu.core.hypercall.Check.IsWhole;
import io.xenemu.core.hypercall.Check.NamesDomain;
import io.xenemu.core.hypercall.Check.Narrow;
import io.xenemu.core.hypercall.Check.Never;
import io.xenemu.core.hypercall.Check.Reads;
import io.xenemu.core.hypercall.Check.ReadsResourceFrames;
import io.xenemu.core.hypercall.Check.Wide;
import io.xenemu.core.hypercall.Operand.Field;
import io.xenemu.core.hypercall.Operand.Sum;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.AccessOp;
import io.xenemu.kvm.abi.xen.MemoryStructs.AcquireResource;
import io.xenemu.kvm.abi.xen.MemoryStructs.MemoryMap;
import io.xenemu.kvm.abi.xen.MemoryStructs.PodTarget;
import io.xenemu.kvm.abi.xen.MemoryStructs.Reservation;
import io.xenemu.kvm.abi.xen.MemoryStructs.VnumaTopologyInfo;

/// The operations of [MemoryOp] that Xen refuses to a guest, or has nothing to do for. A guest has no virtual NUMA
/// nodes and no altp2m, and Xen is built without memory sharing and paging, and without 32-bit PV guests.
///
/// Sources: Xen's `common/memory.c`, `common/compat/memory.c`, `common/mem_access.c`, `arch/x86/mm.c`,
/// `arch/x86/x86_64/mm.c`.
final class RefusedMemoryOps {
    /// The largest frame of a resource, and the last of its frames.
    private static final long MAX_RESOURCE_FRAME = 0xffff_ffffL;

    static final FixedAnswer MACHINE_MEMORY_MAP =
            refusal(
                    XenError.EPERM,
                    new IsWhole(XenError.ENOSYS),
                    new Narrow(new Reads(MemoryMap.STRUCT, 1)));

    static final FixedAnswer POD_TARGET =
            refusal(
                    XenError.EPERM,
                    new IsWhole(XenError.ENOSYS),
                    new Reads(PodTarget.STRUCT, 1),
                    new NamesDomain(
                            new Field(PodTarget.DOMID),
                            null,
                            null,
                            XenError.ESRCH,
                            XenError.EINVAL,
                            null));

    static final FixedAnswer NO_SHARING = success(new IsWhole(XenError.ENOSYS));

    static final FixedAnswer ACCESS =
            refusal(
                    XenError.EPERM,
                    new Reads(AccessOp.STRUCT, 1),
                    new NamesDomain(
                            new Field(AccessOp.DOMID),
                            XenError.ESRCH,
                            XenError.EPERM,
                            XenError.ESRCH,
                            XenError.EINVAL,
                            null));

    /// Xen does not translate it for 32-bit callers.
    static final FixedAnswer CLAIM_PAGES =
            refusal(
                    XenError.EPERM,
                    new Narrow(new Never(XenError.ENOSYS)),
                    new IsWhole(XenError.EINVAL),
                    new Reads(Reservation.STRUCT, 1),
                    new Is(new Field(Reservation.EXTENT_START), 0, XenError.EINVAL),
                    new Is(new Field(Reservation.EXTENT_ORDER), 0, XenError.EINVAL),
                    new Is(new Field(Reservation.MEM_FLAGS), 0, XenError.EINVAL),
                    NamesDomain.byId(new Field(Reservation.DOMID), XenError.EINVAL));

    static final FixedAnswer MACHPHYS_COMPAT_MFN_LIST =
            refusal(XenError.EOPNOTSUPP, new IsWhole(XenError.ENOSYS));

    static final FixedAnswer VNUMA_INFO =
            refusal(
                    XenError.EOPNOTSUPP,
                    new Wide(new IsWhole(XenError.EINVAL)),
                    new Reads(VnumaTopologyInfo.STRUCT, 1),
                    new Narrow(new IsWhole(XenError.EINVAL)),
                    new Is(new Field(VnumaTopologyInfo.PAD), 0, XenError.EINVAL),
                    NamesDomain.itself(new Field(VnumaTopologyInfo.DOMID)));

    static final FixedAnswer ACQUIRE_RESOURCE =
            refusal(
                    XenError.EPERM,
                    new Reads(AcquireResource.STRUCT, 1),
                    new Narrow(new ReadsResourceFrames()),
                    new Is(new Field(AcquireResource.PAD), 0, XenError.EINVAL),
                    new AtMost(
                            new Field(AcquireResource.FRAME), MAX_RESOURCE_FRAME, XenError.EINVAL),
                    new AtMost(
                            new Sum(
                                    new Field(AcquireResource.FRAME),
                                    new Field(AcquireResource.NR_FRAMES)),
                            MAX_RESOURCE_FRAME,
                            XenError.EINVAL),
                    NamesDomain.remote(new Field(AcquireResource.DOMID)));

    private RefusedMemoryOps() {}
}
