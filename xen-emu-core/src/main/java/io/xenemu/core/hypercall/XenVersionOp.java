package io.xenemu.core.hypercall;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.VcpuAreas;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.VersionStructs.CompileInfo;
import io.xenemu.kvm.abi.xen.VersionStructs.FeatureInfo;
import io.xenemu.kvm.memory.GuestMemory;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.UUID;

/// `xen_version` (17): the values that Linux shows in /sys/hypervisor. `xen/include/public/version.h`, Xen's
/// `do_xen_version`.
final class XenVersionOp {
    private static final int EXTRAVERSION_LENGTH = 16;
    private static final int CAPABILITIES_LENGTH = 1024;
    private static final int CHANGESET_LENGTH = 64;
    private static final int HANDLE_LENGTH = 16;

    private static final String CHANGESET = "xen-emu";

    /// The operations with texts of any length (`struct xen_varbuf`).
    private static final Check.SinceXen SINCE_4_20 = new Check.SinceXen(4, 20, XenError.ENOSYS);

    /// Xen's own answer to a domain without the right to know (`xen_deny`).
    private static final String DENIED = "<denied>";

    /// XENFEAT_writable_page_tables (0), auto_translated_physmap (2), hvm_callback_vector (8), hvm_safe_pvclock (9),
    /// memory_op_vnode_supported (13).
    private static final long FEATURES = 0x2305;

    private static final long FEATURE_HVM_PIRQS = 1 << 10;

    /// XENFEAT_not_direct_mapped, from 4.16 on.
    private static final long FEATURE_NOT_DIRECT_MAPPED = 1 << 16;

    /// XENFEAT_runstate_phys_area.
    private static final long FEATURE_RUNSTATE_PHYS_AREA = 1 << 18;

    /// XENFEAT_vcpu_time_phys_area.
    private static final long FEATURE_VCPU_TIME_PHYS_AREA = 1 << 19;

    /// XENFEAT_dm_msix_all_writes, from 4.19 on: a device model sees each write to an MSI-X table; ours do.
    private static final long FEATURE_DM_MSIX_ALL_WRITES = 1 << 20;

    /// `HYPERVISOR_VIRT_START` of 64-bit Xen. Up to 4.17, Xen reported it to HVM domains, but only to 64-bit callers.
    private static final long VIRT_START = 0xffff_8000_0000_0000L;

    private XenVersionOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("xen_version", 17)
                .op(0, "version", XenVersionOp::version)
                .op(1, "extraversion", c -> text(c, XenIdentity.EXTRAVERSION, EXTRAVERSION_LENGTH))
                .op(2, "compile_info", XenVersionOp::compileInfo)
                .op(3, "capabilities", c -> text(c, XenIdentity.CAPABILITIES, CAPABILITIES_LENGTH))
                .op(4, "changeset", c -> text(c, CHANGESET, CHANGESET_LENGTH))
                .op(5, "platform_parameters", XenVersionOp::platformParameters)
                .op(6, "get_features", XenVersionOp::getFeatures)
                .op(7, "pagesize", XenVersionOp::pagesize)
                .op(8, "guest_handle", XenVersionOp::guestHandle)
                .op(9, "commandline", c -> text(c, DENIED, DENIED.length() + 1))
                .op(10, "build_id", FixedAnswer.refusal(XenError.EPERM))
                .op(11, "extraversion2", c -> anyLength(c, XenIdentity.EXTRAVERSION))
                .op(12, "capabilities2", c -> anyLength(c, XenIdentity.CAPABILITIES))
                .op(13, "changeset2", c -> anyLength(c, CHANGESET))
                .op(14, "commandline2", FixedAnswer.refusal(XenError.EPERM, SINCE_4_20));
    }

    /// Answers only on kernels without the XEN_VERSION attribute; KVM serves the call otherwise.
    private static long version(HypercallContext c) {
        return c.domain().config().xenVersion();
    }

    /// Writes the text and zeros up to `length` bytes.
    private static long text(HypercallContext c, String text, int length) throws XenError {
        byte[] bytes = Arrays.copyOf(text.getBytes(US_ASCII), length);
        c.argument().linear().copyOut(bytes, 0, c.word(1), length);
        return 0;
    }

    /// Writes the text behind its `len`, without a NUL. A null pointer asks only for the length.
    private static long anyLength(HypercallContext c, String text) throws XenError {
        SINCE_4_20.run(c);
        byte[] bytes = text.getBytes(US_ASCII);
        if (c.word(1) != 0) {
            long room = Integer.toUnsignedLong(c.argument().linear().read32(c.word(1)));
            if (bytes.length > room) {
                throw XenError.ENOBUFS;
            }
            c.argument().linear().copyOut(bytes, 0, c.word(1) + Integer.BYTES, bytes.length);
        }
        return bytes.length;
    }

    private static long compileInfo(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.clear(CompileInfo.STRUCT);
        argument.set(
                CompileInfo.COMPILER, ("Java " + Runtime.version().feature()).getBytes(US_ASCII));
        argument.set(CompileInfo.COMPILE_BY, "xen-emu".getBytes(US_ASCII));
        argument.copyOut(CompileInfo.STRUCT, c.word(1));
        return 0;
    }

    private static long platformParameters(HypercallContext c) throws XenError {
        boolean told = c.width() == GuestWidth.BITS_64 && !c.domain().config().isXenFrom(4, 18);
        long start = told ? VIRT_START : 0;
        c.argument().linear().writeUlong(c.word(1), start);
        return 0;
    }

    private static long getFeatures(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(FeatureInfo.STRUCT, c.word(1));
        if (argument.get(FeatureInfo.SUBMAP_IDX) != 0) {
            throw XenError.EINVAL;
        }
        argument.set(FeatureInfo.SUBMAP, features(c.domain()));
        argument.copyOut(FeatureInfo.STRUCT, c.word(1));
        return 0;
    }

    private static long features(Domain domain) {
        DomainConfig config = domain.config();
        long features = FEATURES;
        if (config.events().hvmPirqs()) {
            features |= FEATURE_HVM_PIRQS;
        }
        if (config.isXenFrom(4, 16)) {
            features |= FEATURE_NOT_DIRECT_MAPPED;
        }
        if (VcpuAreas.offerPhysicalRunstate(domain)) {
            features |= FEATURE_RUNSTATE_PHYS_AREA;
        }
        if (VcpuAreas.offerPhysicalTime(domain)) {
            features |= FEATURE_VCPU_TIME_PHYS_AREA;
        }
        if (config.isXenFrom(4, 19)) {
            features |= FEATURE_DM_MSIX_ALL_WRITES;
        }
        return features;
    }

    private static long pagesize(HypercallContext c) throws XenError {
        if (c.word(1) != 0) {
            throw XenError.EINVAL;
        }
        return GuestMemory.PAGE_SIZE;
    }

    private static long guestHandle(HypercallContext c) throws XenError {
        UUID uuid = c.domain().config().uuid();
        byte[] bytes =
                ByteBuffer.allocate(HANDLE_LENGTH)
                        .putLong(uuid.getMostSignificantBits())
                        .putLong(uuid.getLeastSignificantBits())
                        .array();
        c.argument().linear().copyOut(bytes, 0, c.word(1), HANDLE_LENGTH);
        return 0;
    }
}
