package io.xenemu.core.hypercall;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.XenError;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;

/// Every call of a guest gets one of Xen's answers, and its domain ends like any other.
final class HypercallFuzzPropertyTest {
    private static final int CALLS = 100_000;

    @Property(tries = 10, shrinking = ShrinkingMode.OFF)
    void anyCallHasOneOfXensAnswers(@ForAll long seed) throws BootException, XenError {
        new HypercallFuzz(seed).run(CALLS);
    }
}
