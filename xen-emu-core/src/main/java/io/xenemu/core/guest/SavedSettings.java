package io.xenemu.core.guest;

import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.migration.SavedConfig;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/// A summary of a saved guest's configuration, for an operator: settings by their names in `xen-emu create`, without
/// those that its summary and its files tell. Values may have any characters of the file.
///
/// @param values by setting, in the order of [GuestSetting]; a setting is missing if it has no value
public record SavedSettings(SequencedMap<String, String> values) {
    private static final String MIB = "M";

    public SavedSettings {
        values = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(values));
    }

    /// Reads a configuration.
    ///
    /// @throws WireException if this program does not know its layout, or it has values that no guest can have
    public static SavedSettings of(SavedConfig saved) throws WireException {
        BodyReader body = saved.body();
        GuestRequest request = GuestRequestCodec.decode(saved.version(), body);
        body.end();
        SequencedMap<String, String> values = new LinkedHashMap<>();
        all(request)
                .forEach((setting, value) -> {
                    if (!value.isEmpty()) {
                        values.put(setting.key(), value);
                    }
                });
        return new SavedSettings(values);
    }

    private static Map<GuestSetting, String> all(GuestRequest request) {
        Map<GuestSetting, String> all = new EnumMap<>(GuestSetting.class);
        DomainConfig config = request.config();
        EventChannelConfig events = config.events();
        EndActions ends = request.ends();
        PlatformSettings platform = request.platform();
        all.put(GuestSetting.CMDLINE, request.commandLine());
        all.put(GuestSetting.MEMORY, mib(config.memoryBytes()));
        all.put(GuestSetting.MAXMEM, mib(config.maxMemoryBytes()));
        all.put(GuestSetting.VCPUS, Integer.toString(request.onlineVcpus()));
        all.put(GuestSetting.MAXVCPUS, Integer.toString(config.vcpus()));
        all.put(
                GuestSetting.XEN_VERSION,
                (config.xenVersion() >>> 16) + "." + (config.xenVersion() & 0xffff));
        all.put(GuestSetting.EVTCHN, events.fifo() ? "auto" : "2level");
        all.put(GuestSetting.MAX_EVENT_CHANNELS, Integer.toString(events.maxEventChannels()));
        all.put(GuestSetting.MAX_GRANT_FRAMES, Integer.toString(config.grants().maxGrantFrames()));
        all.put(GuestSetting.TSC_MODE, config.cpu().tscMode().word());
        all.put(
                GuestSetting.ENGINES,
                request.engines().isDefault() ? "" : request.engines().toString());
        all.put(GuestSetting.ON_POWEROFF, ends.powerOff().word());
        all.put(GuestSetting.ON_REBOOT, ends.reboot().word());
        all.put(GuestSetting.ON_CRASH, ends.crash().word());
        all.put(GuestSetting.ON_WATCHDOG, ends.watchdog().word());
        all.put(GuestSetting.ON_SOFT_RESET, ends.softReset().word());
        all.put(
                GuestSetting.MS_VM_GENID,
                platform.generation().exists() ? platform.generation().text() : "");
        all.put(GuestSetting.RTC_TIMEOFFSET, Long.toString(platform.rtcOffsetSeconds()));
        return all;
    }

    private static String mib(long bytes) {
        return (bytes >> 20) + MIB;
    }
}
