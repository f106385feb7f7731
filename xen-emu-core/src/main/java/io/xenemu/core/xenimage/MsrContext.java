package io.xenemu.core.xenimage;

import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// Records of a vCPU that are model-specific registers alone.
final class MsrContext {
    private static final int PAT = 0x277;
    private static final int MTRR_PHYS_BASE = 0x200;
    private static final int MTRR_PHYS = 16;
    private static final int[] MTRR_FIXED = {
        0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f
    };
    private static final int MTRR_DEF_TYPE = 0x2ff;
    private static final int TSC_ADJUST = 0x3b;

    /// More than Xen has.
    private static final int MAX_COUNT = 512;

    private MsrContext() {}

    /// The registers of `struct hvm_hw_mtrr`; the one that enables the others comes last.
    static List<MsrEntry> mtrrs(BodyReader in) throws WireException {
        List<MsrEntry> msrs = new ArrayList<>();
        msrs.add(new MsrEntry(PAT, in.u64()));
        for (int i = 0; i < MTRR_PHYS; i++) {
            msrs.add(new MsrEntry(MTRR_PHYS_BASE + i, in.u64()));
        }
        for (int index : MTRR_FIXED) {
            msrs.add(new MsrEntry(index, in.u64()));
        }
        // How many there are, which is as many on each processor.
        long _ = in.u64();
        msrs.add(new MsrEntry(MTRR_DEF_TYPE, in.u64()));
        in.end();
        return msrs;
    }

    /// The register of `struct hvm_tsc_adjust`; none if it has never been changed.
    static List<MsrEntry> tscAdjust(BodyReader in) throws WireException {
        long value = in.u64();
        in.end();
        return value == 0 ? List.of() : List.of(new MsrEntry(TSC_ADJUST, value));
    }

    /// The registers of `struct hvm_msr`.
    static List<MsrEntry> others(BodyReader in) throws WireException {
        int count = in.count(MAX_COUNT);
        int _ = in.u32();
        List<MsrEntry> msrs = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int index = in.u32();
            int _ = in.u32();
            msrs.add(new MsrEntry(index, in.u64()));
        }
        in.end();
        return msrs;
    }
}
