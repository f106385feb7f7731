package io.xenemu.core.guest;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.xenimage.XlConfig;
import io.xenemu.gnttab.GrantLimits;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The request of a guest whose configuration is libxl's.
final class XlRequest {
    private XlRequest() {}

    /// Makes the request.
    ///
    /// @throws Refused if the guest has something that cannot be had here
    static GuestRequest of(XlConfig xl) throws Refused {
        try {
            return new GuestRequest(
                    config(xl, XenVersion.parse("4.19").packed(), null),
                    xl.onlineVcpus(),
                    Path.of(Objects.requireNonNullElse(xl.kernel(), "")),
                    xl.ramdisk() == null ? List.of() : List.of(xl.ramdisk()),
                    xl.commandLine(),
                    PlatformSettings.DEFAULT,
                    ends(xl.ends()),
                    devices(xl),
                    false,
                    EngineMap.DEFAULT,
                    null,
                    null);
        } catch (InvalidPathException e) {
            throw new Refused("the kernel of the guest has no path");
        } catch (IllegalArgumentException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }

    /// The configuration of the guest's domain. Guests of Xen may use the FIFO ABI, and then insist on it.
    ///
    /// @param xenVersion that the guest is to see: major number in the upper half, minor in the lower one
    /// @param policy its processor; null for what this host offers
    static DomainConfig config(XlConfig xl, int xenVersion, @Nullable CpuPolicy policy) {
        EventChannelConfig events = EventChannelConfig.DEFAULT;
        return new DomainConfig(
                xl.name(),
                xl.uuid(),
                Math.min(xl.memoryKib(), xl.maxMemoryKib()) << 10,
                xl.maxMemoryKib() << 10,
                xl.vcpus(),
                xenVersion,
                GrantLimits.defaults(),
                new EventChannelConfig(true, events.maxEventChannels(), events.hvmPirqs()),
                new CpuConfig(
                        policy,
                        CpuidOverrides.NONE,
                        xl.isNativeTsc() ? TscMode.NATIVE : TscMode.DEFAULT,
                        Viridian.NONE,
                        false));
    }

    private static EndActions ends(Map<String, String> words) {
        return new EndActions(
                EndAction.parse(action(words, "on_poweroff")),
                EndAction.parse(action(words, "on_reboot")),
                EndAction.parse(action(words, "on_crash")),
                EndAction.parse(action(words, "on_watchdog")),
                EndAction.parseReset(action(words, "on_soft_reset")));
    }

    private static String action(Map<String, String> words, String name) {
        return Objects.requireNonNull(words.get(name), name);
    }

    private static List<DeviceSpec> devices(XlConfig xl) throws Refused {
        SecureRandom random = new SecureRandom();
        List<DeviceSpec> devices = new ArrayList<>();
        for (String words : xl.disks()) {
            devices.add(DeviceSpec.parse(DeviceKind.VBD, List.of(words), random));
        }
        for (String words : xl.nics()) {
            devices.add(DeviceSpec.parse(DeviceKind.VIF, List.of(words), random));
        }
        return devices;
    }
}
