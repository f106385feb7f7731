package io.xenemu.core.guest;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableListMultimap;
import com.google.common.collect.ImmutableMap;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.boot.BootLoader;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.cpuid.CannotOfferException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.PolicyFile;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The settings of one guest as text, from the command line or from a request on the control socket.
///
/// @param values the texts given for each setting
public record GuestSettings(ImmutableListMultimap<GuestSetting, String> values) {
    private static final Splitter ASSIGNMENT = Splitter.on('=').limit(2);

    private static final String TWO_LEVEL = "2level";
    private static final String AUTO = "auto";

    /// The former name of [#AUTO].
    private static final String FIFO = "fifo";

    private static final String NO_GENERATION = "none";
    private static final String NEW_GENERATION = "generate";

    /// The least `max_event_channels`: room for the ports of the console and XenStore.
    private static final int MIN_EVENT_CHANNELS = 2;

    /// The lists of devices, in the order in which a guest gets them.
    private static final ImmutableMap<GuestSetting, DeviceKind> DEVICES =
            ImmutableMap.of(
                    GuestSetting.DISK, DeviceKind.VBD,
                    GuestSetting.VIF, DeviceKind.VIF,
                    GuestSetting.P9, DeviceKind.P9,
                    GuestSetting.CHANNEL, DeviceKind.CONSOLE);

    /// Reads `NAME=VALUE` words in any order. A list has a word for each of its values.
    ///
    /// @throws IllegalArgumentException if a word has another form, or names no setting
    public static GuestSettings of(List<String> words) {
        ImmutableListMultimap.Builder<GuestSetting, String> values =
                ImmutableListMultimap.builder();
        for (String word : words) {
            List<String> parts = ASSIGNMENT.splitToList(word);
            if (parts.size() != 2) {
                throw new IllegalArgumentException("'" + word + "' is not NAME=VALUE");
            }
            GuestSetting setting = GuestSetting.keyed(parts.get(0));
            if (setting == null) {
                throw new IllegalArgumentException("no such setting: " + parts.get(0));
            }
            values.put(setting, parts.get(1));
        }
        return new GuestSettings(values.build());
    }

    /// The settings as words, which [#of] reads.
    public List<String> words() {
        return values.entries().stream()
                .map(value -> value.getKey().key() + "=" + value.getValue())
                .toList();
    }

    /// These settings, with other values for one of them.
    public GuestSettings with(GuestSetting setting, Collection<String> texts) {
        ImmutableListMultimap.Builder<GuestSetting, String> all = ImmutableListMultimap.builder();
        values.entries().stream().filter(value -> value.getKey() != setting).forEach(all::put);
        return new GuestSettings(all.putAll(setting, texts).build());
    }

    /// These settings, for a guest that ends when it reboots.
    public GuestSettings withoutReboot() {
        return with(GuestSetting.ON_REBOOT, List.of(EndAction.DESTROY.word()));
    }

    /// These settings, for a guest whose domain stays as it ends, however it does.
    public GuestSettings preserved() {
        GuestSettings all = this;
        for (GuestSetting end :
                List.of(
                        GuestSetting.ON_POWEROFF,
                        GuestSetting.ON_REBOOT,
                        GuestSetting.ON_CRASH,
                        GuestSetting.ON_WATCHDOG,
                        GuestSetting.ON_SOFT_RESET)) {
            all = all.with(end, List.of(EndAction.PRESERVE.word()));
        }
        return all;
    }

    /// These settings, for a process with another working directory: paths are absolute.
    public GuestSettings absolute() {
        GuestSettings all =
                with(GuestSetting.KERNEL, absolute(GuestSetting.KERNEL))
                        .with(GuestSetting.FIRMWARE, absolute(GuestSetting.FIRMWARE))
                        .with(GuestSetting.CPU_BASELINE, absolute(GuestSetting.CPU_BASELINE))
                        .with(GuestSetting.DEVICE_MODEL, absolute(GuestSetting.DEVICE_MODEL));
        for (Map.Entry<GuestSetting, DeviceKind> list : DEVICES.entrySet()) {
            List<String> words =
                    values.get(list.getKey()).stream()
                            .map(text -> DeviceSpec.absolute(list.getValue(), List.of(text)))
                            .map(List::getFirst)
                            .toList();
            all = all.with(list.getKey(), words);
        }
        return all.with(
                GuestSetting.RAMDISK,
                values.get(GuestSetting.RAMDISK).stream().map(BootModule::absolute).toList());
    }

    private List<String> absolute(GuestSetting file) {
        return values.get(file).stream()
                .map(path -> isPath(file, path) ? Path.of(path).toAbsolutePath().toString() : path)
                .toList();
    }

    private static boolean isPath(GuestSetting file, String text) {
        boolean isName =
                switch (file) {
                    case FIRMWARE -> BootLoader.isName(text);
                    case DEVICE_MODEL -> text.equals(DeviceModelConfig.QEMU);
                    default -> false;
                };
        return !text.isEmpty() && !isName;
    }

    /// These settings without some of them, and without those that have their defaults.
    GuestSettings without(Set<GuestSetting> left) {
        ImmutableListMultimap.Builder<GuestSetting, String> kept = ImmutableListMultimap.builder();
        values.entries().stream()
                .filter(value -> !left.contains(value.getKey()))
                .filter(value -> !value.getValue().equals(value.getKey().initial()))
                .forEach(kept::put);
        return new GuestSettings(kept.build());
    }

    private boolean hasDeviceModel() throws WrongSetting {
        return !one(GuestSetting.DEVICE_MODEL).isEmpty();
    }

    /// The device model of the guest that they describe, or null if it has none.
    ///
    /// @throws WrongSetting if there can be no such device model
    public @Nullable DeviceModelConfig deviceModel() throws WrongSetting {
        for (GuestSetting setting : values.keySet()) {
            check(setting);
        }
        if (!hasDeviceModel()) {
            for (GuestSetting setting : DeviceModelConfig.SETTINGS) {
                if (!one(setting).equals(setting.initial())) {
                    throw wrong(setting, "it needs a device model");
                }
            }
            return null;
        }
        for (GuestSetting most : List.of(GuestSetting.MAXMEM, GuestSetting.MAXVCPUS)) {
            if (!one(most).isEmpty()) {
                throw wrong(most, "a device model's machine has no room for more");
            }
        }
        if (values.get(GuestSetting.RAMDISK).size() > 1) {
            throw wrong(GuestSetting.RAMDISK, "a device model has room for one");
        }
        String vnc =
                flag(GuestSetting.VNC)
                        ? DeviceModelConfig.display(
                                one(GuestSetting.VNCLISTEN), number(GuestSetting.VNCDISPLAY))
                        : null;
        return new DeviceModelConfig(
                one(GuestSetting.DEVICE_MODEL),
                one(GuestSetting.KERNEL),
                values.get(GuestSetting.RAMDISK),
                one(GuestSetting.CMDLINE),
                parsed(
                        GuestSetting.FIRMWARE,
                        one(GuestSetting.FIRMWARE),
                        DeviceModelConfig::firmware),
                parsed(GuestSetting.BOOT, one(GuestSetting.BOOT), DeviceModelConfig::boot),
                choice(GuestSetting.HDTYPE, "ide", "ahci"),
                vnc,
                one(GuestSetting.SERIAL));
    }

    /// The guest that they describe.
    ///
    /// @throws WrongSetting if there can be no such guest
    public GuestRequest request() throws WrongSetting {
        for (GuestSetting setting : values.keySet()) {
            check(setting);
        }
        int online = vcpus(GuestSetting.VCPUS);
        int vcpus = one(GuestSetting.MAXVCPUS).isEmpty() ? online : vcpus(GuestSetting.MAXVCPUS);
        if (online > vcpus) {
            throw new WrongSetting(
                    List.of(GuestSetting.VCPUS, GuestSetting.MAXVCPUS),
                    online + " are more than " + vcpus);
        }
        long memory = MemorySize.parse(one(GuestSetting.MEMORY)).bytes();
        String most = one(GuestSetting.MAXMEM);
        long maxMemory = most.isEmpty() ? memory : MemorySize.parse(most).bytes();
        if (maxMemory < memory) {
            throw new WrongSetting(
                    List.of(GuestSetting.MEMORY, GuestSetting.MAXMEM),
                    "%d MiB are more than %d MiB".formatted(memory >> 20, maxMemory >> 20));
        }
        CpuConfig cpu = cpu();
        EventChannelConfig events = events();
        GrantLimits grants = grants();
        String uuid = one(GuestSetting.UUID);
        DomainConfig config;
        try {
            config =
                    new DomainConfig(
                            one(GuestSetting.NAME),
                            uuid.isEmpty() ? UUID.randomUUID() : SettingType.uuid(uuid),
                            memory,
                            maxMemory,
                            vcpus,
                            XenVersion.parse(one(GuestSetting.XEN_VERSION)).packed(),
                            grants,
                            events,
                            cpu);
        } catch (IllegalArgumentException e) {
            // All other settings have been checked.
            throw wrong(GuestSetting.NAME, String.valueOf(e.getMessage()));
        }
        return new GuestRequest(
                config,
                online,
                kernel(),
                values.get(GuestSetting.RAMDISK),
                one(GuestSetting.CMDLINE),
                platform(),
                new EndActions(
                        action(GuestSetting.ON_POWEROFF),
                        action(GuestSetting.ON_REBOOT),
                        action(GuestSetting.ON_CRASH),
                        action(GuestSetting.ON_WATCHDOG),
                        EndAction.parseReset(one(GuestSetting.ON_SOFT_RESET))),
                devices(),
                flag(GuestSetting.OVERCOMMIT),
                parsed(GuestSetting.ENGINES, one(GuestSetting.ENGINES), EngineMap::parse),
                domid(),
                null);
    }

    private @Nullable DomId domid() throws WrongSetting {
        if (one(GuestSetting.DOMID).isEmpty()) {
            return null;
        }
        int id = number(GuestSetting.DOMID);
        if (id < 1 || id >= DomId.FIRST_RESERVED) {
            throw wrong(
                    GuestSetting.DOMID, id + " is not between 1 and " + (DomId.FIRST_RESERVED - 1));
        }
        return new DomId(id);
    }

    /// The file that the guest starts with: its kernel, or a boot loader.
    private Path kernel() throws WrongSetting {
        String kernel = one(GuestSetting.KERNEL);
        String firmware = one(GuestSetting.FIRMWARE);
        if (hasDeviceModel()) {
            // The machine's own matter.
            return SettingType.path(kernel.isEmpty() ? "/" : kernel);
        }
        if (!kernel.isEmpty() && !firmware.isEmpty()) {
            throw new WrongSetting(
                    List.of(GuestSetting.KERNEL, GuestSetting.FIRMWARE),
                    "a guest starts with one of them");
        }
        if (!kernel.isEmpty()) {
            return SettingType.path(kernel);
        }
        if (!firmware.isEmpty()) {
            return parsed(GuestSetting.FIRMWARE, firmware, BootLoader::fileOf);
        }
        if (values.get(GuestSetting.DISK).isEmpty()) {
            throw wrong(GuestSetting.KERNEL, "there is neither a kernel nor a disk to boot from");
        }
        for (GuestSetting forKernel : List.of(GuestSetting.RAMDISK, GuestSetting.CMDLINE)) {
            // GRUB would ignore it.
            if (values.get(forKernel).stream().anyMatch(text -> !text.isEmpty())) {
                throw wrong(forKernel, "there is no kernel that it belongs to");
            }
        }
        return BootLoader.PVGRUB.file();
    }

    private List<DeviceSpec> devices() throws WrongSetting {
        List<DeviceSpec> devices = new ArrayList<>();
        SecureRandom random = new SecureRandom();
        for (Map.Entry<GuestSetting, DeviceKind> list : DEVICES.entrySet()) {
            for (String text : values.get(list.getKey())) {
                try {
                    devices.add(DeviceSpec.parse(list.getValue(), List.of(text), random));
                } catch (Refused e) {
                    throw wrong(list.getKey(), e.reason());
                }
            }
        }
        return devices;
    }

    private PlatformSettings platform() throws WrongSetting {
        boolean generates = choice(GuestSetting.MS_VM_GENID, NO_GENERATION, NEW_GENERATION);
        return new PlatformSettings(
                generates ? GenerationId.random() : GenerationId.NONE,
                number(GuestSetting.RTC_TIMEOFFSET),
                flag(GuestSetting.LOCALTIME));
    }

    private int vcpus(GuestSetting setting) throws WrongSetting {
        int vcpus = number(setting);
        if (vcpus < 1 || vcpus > DomainConfig.MAX_VCPUS) {
            throw wrong(setting, vcpus + " is not between 1 and " + DomainConfig.MAX_VCPUS);
        }
        return vcpus;
    }

    private void check(GuestSetting setting) throws WrongSetting {
        try {
            values.get(setting).forEach(setting.type()::check);
        } catch (IllegalArgumentException e) {
            throw wrong(setting, String.valueOf(e.getMessage()));
        }
    }

    private CpuConfig cpu() throws WrongSetting {
        String baseline = one(GuestSetting.CPU_BASELINE);
        boolean nested = flag(GuestSetting.NESTEDHVM);
        if (nested && !baseline.isEmpty()) {
            throw new WrongSetting(
                    List.of(GuestSetting.CPU_BASELINE, GuestSetting.NESTEDHVM),
                    "a guest with guests of its own cannot have a baseline");
        }
        return new CpuConfig(
                baseline.isEmpty() ? null : policy(SettingType.path(baseline)),
                parsed(GuestSetting.CPUID, values.get(GuestSetting.CPUID), CpuidOverrides::parse),
                parsed(GuestSetting.TSC_MODE, one(GuestSetting.TSC_MODE), TscMode::parse),
                parsed(GuestSetting.VIRIDIAN, values.get(GuestSetting.VIRIDIAN), Viridian::parse),
                nested);
    }

    private static CpuPolicy policy(Path file) throws WrongSetting {
        try {
            return PolicyFile.read(file);
        } catch (CannotOfferException e) {
            throw wrong(GuestSetting.CPU_BASELINE, e.getMessage());
        }
    }

    private static <S, T> T parsed(GuestSetting setting, S given, Function<S, T> parser)
            throws WrongSetting {
        try {
            return parser.apply(given);
        } catch (IllegalArgumentException e) {
            throw wrong(setting, String.valueOf(e.getMessage()));
        }
    }

    private GrantLimits grants() throws WrongSetting {
        try {
            return new GrantLimits(
                    number(GuestSetting.MAX_GRANT_FRAMES),
                    number(GuestSetting.MAX_MAPTRACK_FRAMES),
                    number(GuestSetting.MAX_GRANT_VERSION));
        } catch (IllegalArgumentException e) {
            throw new WrongSetting(
                    List.of(
                            GuestSetting.MAX_GRANT_FRAMES,
                            GuestSetting.MAX_MAPTRACK_FRAMES,
                            GuestSetting.MAX_GRANT_VERSION),
                    String.valueOf(e.getMessage()));
        }
    }

    private EventChannelConfig events() throws WrongSetting {
        String abi = one(GuestSetting.EVTCHN);
        boolean fifo = abi.equals(AUTO) || abi.equals(FIFO);
        if (!fifo && !abi.equals(TWO_LEVEL)) {
            throw wrong(
                    GuestSetting.EVTCHN, "'" + abi + "' is neither " + TWO_LEVEL + " nor " + AUTO);
        }
        int highest = number(GuestSetting.MAX_EVENT_CHANNELS);
        if (highest < MIN_EVENT_CHANNELS) {
            throw wrong(
                    GuestSetting.MAX_EVENT_CHANNELS,
                    highest
                            + " is less than the console and XenStore need ("
                            + MIN_EVENT_CHANNELS
                            + ")");
        }
        return new EventChannelConfig(fifo, highest, flag(GuestSetting.HVM_PIRQ));
    }

    /// Whether a setting is the second of two words.
    private boolean choice(GuestSetting setting, String first, String second) throws WrongSetting {
        String value = one(setting);
        if (!value.equals(first) && !value.equals(second)) {
            throw wrong(setting, "'" + value + "' is neither " + first + " nor " + second);
        }
        return value.equals(second);
    }

    private int number(GuestSetting setting) throws WrongSetting {
        return SettingType.number(one(setting));
    }

    private EndAction action(GuestSetting setting) throws WrongSetting {
        return EndAction.parse(one(setting));
    }

    private boolean flag(GuestSetting setting) throws WrongSetting {
        return SettingType.flag(one(setting));
    }

    private String one(GuestSetting setting) throws WrongSetting {
        List<String> given = values.get(setting);
        String initial = setting.initial();
        if (given.isEmpty() && initial != null) {
            return initial;
        }
        if (given.size() != 1) {
            throw wrong(setting, "one value is needed");
        }
        return given.getFirst();
    }

    private static WrongSetting wrong(GuestSetting setting, String reason) {
        return new WrongSetting(List.of(setting), reason);
    }
}
