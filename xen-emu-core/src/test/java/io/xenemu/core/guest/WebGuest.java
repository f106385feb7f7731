package io.xenemu.core.guest;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.gnttab.GrantLimits;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;

/// The guest `web`, the smallest that there can be.
final class WebGuest {
    private static final int XEN_VERSION = 4 << 16 | 19;

    private WebGuest() {}

    /// Its domain.
    static DomainConfig config(int vcpus) {
        return config(vcpus, GuestMemoryMap.MIN_BYTES);
    }

    private static DomainConfig config(int vcpus, long memory) {
        return new DomainConfig(
                "web",
                new UUID(1, 2),
                memory,
                vcpus,
                XEN_VERSION,
                GrantLimits.defaults(),
                EventChannelConfig.DEFAULT);
    }

    /// One without devices and with one vCPU, whose end is the usual one.
    static GuestRequest request(Path kernel) {
        return request(kernel, EndActions.DEFAULT, List.of(), EngineMap.DEFAULT);
    }

    /// One of a size, without devices and with one vCPU.
    ///
    /// @param memory in bytes
    static GuestRequest request(Path kernel, long memory) {
        return new GuestRequest(
                config(1, memory),
                1,
                kernel,
                List.of(),
                "",
                PlatformSettings.DEFAULT,
                EndActions.DEFAULT,
                true);
    }

    /// One with one vCPU.
    static GuestRequest request(
            Path kernel, EndActions ends, List<DeviceSpec> devices, EngineMap engines) {
        return new GuestRequest(
                config(1),
                1,
                kernel,
                List.of(),
                "",
                PlatformSettings.DEFAULT,
                ends,
                devices,
                true,
                engines,
                null,
                null);
    }
}
