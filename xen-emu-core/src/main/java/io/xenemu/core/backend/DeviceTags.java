package io.xenemu.core.backend;

import io.micrometer.core.instrument.Tags;
import io.xenemu.kvm.abi.DomId;

/// The tags that say which device a meter is of.
public final class DeviceTags {
    private DeviceTags() {}

    /// The tags `domain` and `device`.
    ///
    /// @param domain the one that uses the device
    /// @param number the device's, as in XenStore
    public static Tags of(DomId domain, int number) {
        return Tags.of(
                "domain", Integer.toString(domain.value()), "device", Integer.toString(number));
    }
}
