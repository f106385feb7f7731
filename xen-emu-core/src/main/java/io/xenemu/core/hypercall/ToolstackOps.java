package io.xenemu.core.hypercall;

import static io.xenemu.core.hypercall.FixedAnswer.refusal;

import io.xenemu.core.hypercall.Check.AtMost;
import io.xenemu.core.hypercall.Check.IsNot;
import io.xenemu.core.hypercall.Check.KnowsInterface;
import io.xenemu.core.hypercall.Check.KnowsInterface.Version;
import io.xenemu.core.hypercall.Check.NamesDomain;
import io.xenemu.core.hypercall.Check.Reads;
import io.xenemu.core.hypercall.Check.ReadsArray;
import io.xenemu.core.hypercall.Check.Unless;
import io.xenemu.core.hypercall.Operand.Field;
import io.xenemu.core.hypercall.Operand.U16;
import io.xenemu.core.hypercall.Operand.U32;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.ToolStructs.DmOpBuf;
import io.xenemu.kvm.abi.xen.ToolStructs.Domctl;
import io.xenemu.kvm.abi.xen.ToolStructs.PlatformOp;
import io.xenemu.kvm.abi.xen.ToolStructs.Sysctl;
import java.util.List;

/// Hypercalls of Xen's HVM table that refuse every call of an unprivileged guest: those of toolstacks, device models
/// and PV memory management. Default build of Xen: without XSM and Argo.
///
/// Sources: Xen's `include/hypercall-defs.c`, `include/xsm/dummy.h`, and the function of each hypercall.
final class ToolstackOps {
    /// `XENPF_INTERFACE_VERSION`.
    private static final Version PLATFORM = new Version(4, 0, 0x0300_0001);

    /// `XEN_DOMCTL_createdomain`, the only command without a domain to look for.
    private static final int CREATE_DOMAIN = 1;

    /// `XEN_DOMCTL_shadow_op`.
    private static final int SHADOW_OP = 10;

    /// `ARRAY_SIZE(((struct dmop_args *)0)->buf)`.
    private static final int DM_OP_BUFFERS = 2;

    /// Xen's own PV domains, which no guest has a right to.
    private static final int DOMID_IO = 0x7ff1;

    private static final int DOMID_XEN = 0x7ff2;

    /// The flag in the count of a list that is continued.
    private static final int MMU_UPDATE_PREEMPTED = 1 << 31;

    private ToolstackOps() {}

    static List<HypercallFamily> families() {
        return List.of(
                HypercallFamily.single(
                        "platform_op",
                        7,
                        refusal(
                                XenError.EPERM,
                                new Reads(PlatformOp.STRUCT, 0),
                                new KnowsInterface(
                                        new Field(PlatformOp.INTERFACE_VERSION),
                                        XenError.EACCES,
                                        PLATFORM))),
                HypercallFamily.single(
                        "mmuext_op",
                        26,
                        refusal(
                                        XenError.EINVAL,
                                        new IsNot(new U16(3), DOMID_IO, XenError.EPERM),
                                        new IsNot(new U16(3), DOMID_XEN, XenError.EPERM),
                                        new NamesDomain(
                                                new U16(3),
                                                null,
                                                XenError.ESRCH,
                                                XenError.ESRCH,
                                                XenError.EPERM,
                                                null))
                                .except(ToolstackOps::mmuextOpOfNothing)),
                HypercallFamily.single("xsm_op", 27, refusal(XenError.ENOSYS)),
                HypercallFamily.single(
                        "sysctl",
                        35,
                        refusal(
                                XenError.EPERM,
                                new Reads(Sysctl.STRUCT, 0),
                                new KnowsInterface(
                                        new Field(Sysctl.INTERFACE_VERSION),
                                        XenError.EACCES,
                                        new Version(4, 21, 0x16),
                                        new Version(4, 17, 0x15),
                                        new Version(4, 16, 0x14),
                                        new Version(4, 14, 0x13)))),
                HypercallFamily.single(
                        "domctl",
                        36,
                        refusal(
                                XenError.EPERM,
                                new Reads(Domctl.STRUCT, 0),
                                knowsDomctl(XenError.EACCES),
                                new Unless(
                                        new Field(Domctl.CMD),
                                        CREATE_DOMAIN,
                                        NamesDomain.byId(
                                                new Field(Domctl.DOMAIN), XenError.ESRCH)))),
                HypercallFamily.single("argo_op", 39, refusal(XenError.ENOSYS)),
                HypercallFamily.single("xenpmu_op", 40, refusal(XenError.EOPNOTSUPP)),
                HypercallFamily.single(
                        "dm_op",
                        41,
                        refusal(
                                XenError.EPERM,
                                new IsNot(new U32(1), 0, XenError.ENODATA),
                                new AtMost(new U32(1), DM_OP_BUFFERS, XenError.E2BIG),
                                new ReadsArray(DmOpBuf.STRUCT, 2, 1),
                                new NamesDomain(
                                        new U32(0),
                                        XenError.ESRCH,
                                        XenError.EPERM,
                                        XenError.ESRCH,
                                        XenError.EINVAL,
                                        null))),
                HypercallFamily.single("hypfs_op", 42, refusal(XenError.EPERM)),
                HypercallFamily.single(
                        "paging_domctl_cont",
                        49,
                        refusal(
                                XenError.EPERM,
                                new Reads(Domctl.STRUCT, 0),
                                knowsDomctl(XenError.EOPNOTSUPP),
                                new Check.Is(new Field(Domctl.CMD), SHADOW_OP, XenError.EOPNOTSUPP),
                                NamesDomain.byId(new Field(Domctl.DOMAIN), XenError.ESRCH))));
    }

    /// Calls of mmuext_op that do not get as far as the foreign domain. One that continues without a list is Xen's own
    /// way to return a result: the foreign domain's parameter. A 32-bit caller's list is worked off piece by piece, so
    /// an empty one is success.
    private static long mmuextOpOfNothing(HypercallContext call) {
        int count = call.u32(1);
        int foreign = call.u32(3);
        // Not even Xen means this number as a result.
        if (count == MMU_UPDATE_PREEMPTED
                && call.word(0) == 0
                && foreign != HypercallContext.CONTINUED) {
            return foreign;
        }
        boolean empty = (count & ~MMU_UPDATE_PREEMPTED) == 0;
        return empty && call.width() == GuestWidth.BITS_32 ? 0 : FixedAnswer.Exemption.REFUSED;
    }

    private static Check knowsDomctl(XenError error) {
        return new KnowsInterface(
                new Field(Domctl.INTERFACE_VERSION),
                error,
                new Version(4, 19, 0x17),
                new Version(4, 18, 0x16),
                new Version(4, 17, 0x15),
                new Version(4, 16, 0x14),
                new Version(4, 15, 0x13),
                new Version(4, 14, 0x12));
    }
}
