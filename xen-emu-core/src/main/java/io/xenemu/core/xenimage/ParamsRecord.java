package io.xenemu.core.xenimage;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.HashMap;
import java.util.Map;

/// HVM parameters (HVM_PARAMS). The guest reads where its pages for XenStore and console are, which is at the same
/// frames here. The other parameters are for Xen alone, or say how a device model is reached.
final class ParamsRecord {
    private static final int VIRIDIAN = 9;
    private static final int NESTED_HVM = 24;

    private ParamsRecord() {}

    /// Checks a record.
    ///
    /// @throws WireException if a guest with these parameters cannot be had here
    static void check(BodyReader in) throws WireException {
        int count = in.count(HvmParams.COUNT);
        int _ = in.u32();
        Map<Long, Long> values = new HashMap<>();
        for (int i = 0; i < count; i++) {
            long index = in.u64();
            if (values.put(index, in.u64()) != null) {
                throw new WireException("HVM parameter %d occurs twice".formatted(index));
            }
        }
        in.end();
        requireFrame(values, HvmParams.STORE_PFN, "XenStore", GuestMemoryMap.XENSTORE_GFN);
        requireFrame(values, HvmParams.CONSOLE_PFN, "console", GuestMemoryMap.CONSOLE_GFN);
        requireOff(values, VIRIDIAN, "Hyper-V's interfaces");
        requireOff(values, NESTED_HVM, "nested virtualisation");
    }

    private static void requireFrame(Map<Long, Long> values, long index, String what, long frame)
            throws WireException {
        long there = values.getOrDefault(index, 0L);
        if (there != frame) {
            throw new WireException(
                    "its %s page is at frame %#x, not at %#x as that of a PVH guest"
                            .formatted(what, there, frame));
        }
    }

    private static void requireOff(Map<Long, Long> values, long index, String what)
            throws WireException {
        if (values.getOrDefault(index, 0L) != 0) {
            throw new WireException("it has " + what + ", which cannot be imported");
        }
    }
}
