package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;

/// The time stamp counter of a guest (X86_TSC_INFO).
///
/// @param isNative whether it runs at each host's own frequency
/// @param khz its frequency; 0 if it is that of the host
/// @param elapsed the guest's system time in nanoseconds; 0 if it was not saved
/// @param incarnation how often the guest was made
record TscRecord(boolean isNative, int khz, long elapsed, int incarnation) {
    private static final int DEFAULT = 0;
    private static final int NATIVE = 2;

    /// A guest whose record is missing.
    static final TscRecord NONE = new TscRecord(false, 0, 0, 0);

    static TscRecord read(BodyReader in) throws WireException {
        int mode = in.u32();
        int khz = in.u32();
        long elapsed = in.u64();
        int incarnation = in.u32();
        int _ = in.u32();
        in.end();
        if (mode != DEFAULT && mode != NATIVE) {
            throw new WireException(
                    "its time stamp counter is emulated (tsc_mode %d), which KVM cannot do"
                            .formatted(mode));
        }
        if (khz < 0 || elapsed < 0) {
            throw new WireException("its time stamp counter is out of range");
        }
        return new TscRecord(mode == NATIVE, khz, elapsed, incarnation);
    }
}
