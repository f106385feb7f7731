package io.xenemu.core.guest;

import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.gnttab.GrantLimits;
import org.jspecify.annotations.Nullable;

/// The settings of a guest. This one table gives the options of `run` and `create`, the settings of a `create` on the
/// control socket, and the checks of their values. The documents repeat it, and a test compares them.
///
/// A new setting is a row here, and its use in [GuestSettings#request].
public enum GuestSetting {
    KERNEL(
            "kernel",
            "--kernel",
            "FILE",
            SettingType.FILE,
            "",
            "Linux bzImage, or 32- or 64-bit ELF image with a PVH entry note; may be packed by gzip. Default: a boot"
                    + " loader finds it on the guest's disks."),
    FIRMWARE(
            "firmware",
            "--firmware",
            "pvgrub|FILE",
            SettingType.FILE,
            "",
            "Boot loader instead of a kernel: pvgrub is GRUB of Debian's grub-xen-host, FILE another PVH image. Default"
                    + " with a --disk and no --kernel: pvgrub."),
    RAMDISK(
            "ramdisk",
            "--initrd",
            "FILE",
            SettingType.LIST,
            "",
            "Initramfs; for an ELF kernel its modules, in order. 'FILE ARGS' as one argument gives a module its command line."),
    CMDLINE("cmdline", "--append", "TEXT", SettingType.TEXT, "", "Kernel command line."),
    MEMORY(
            "memory",
            "--memory",
            "SIZE",
            SettingType.MEMORY,
            "512M",
            "RAM: a number with K, M, G or T; MiB without."),
    MAXMEM(
            "maxmem",
            "--maxmem",
            "SIZE",
            SettingType.MEMORY,
            "",
            "RAM that the guest sees, and can be given by mem-set. Default: as much as --memory."),
    VCPUS(
            "vcpus",
            "--vcpus",
            "N",
            SettingType.NUMBER,
            "1",
            "Number of vCPUs, 1 to " + DomainConfig.MAX_VCPUS + "."),
    MAXVCPUS(
            "maxvcpus",
            "--maxvcpus",
            "N",
            SettingType.NUMBER,
            "",
            "vCPUs that it can be given by vcpu-set. Default: as many as --vcpus."),
    NAME("name", "--name", "NAME", SettingType.TEXT, "guest", "The domain's name in XenStore."),
    XEN_VERSION(
            "xen_version",
            "--xen-version",
            "MAJOR.MINOR",
            SettingType.VERSION,
            "4.19",
            "The Xen version that the guest sees."),
    EVTCHN(
            "evtchn",
            "--evtchn",
            "2level|auto",
            SettingType.TEXT,
            "2level",
            "Event channel ABI. auto lets the guest choose FIFO, for more than 4095 ports and priorities, which KVM"
                    + " does not accelerate."),
    MAX_EVENT_CHANNELS(
            "max_event_channels",
            "--max-event-channels",
            "N",
            SettingType.NUMBER,
            "" + EvtchnOptions.XL_MAX_PORT,
            "The guest's highest event channel port, as xl's max_event_channels."),
    MAX_GRANT_FRAMES(
            "max_grant_frames",
            "--max-grant-frames",
            "N",
            SettingType.NUMBER,
            "" + GrantLimits.DEFAULT_MAX_FRAMES,
            "Pages of grants that the guest may have, as xl's max_grant_frames."),
    MAX_MAPTRACK_FRAMES(
            "max_maptrack_frames",
            "--max-maptrack-frames",
            "N",
            SettingType.NUMBER,
            "" + GrantLimits.DEFAULT_MAX_MAPTRACK_FRAMES,
            "Pages of the table of other domains' grants that the guest has mapped, as xl's max_maptrack_frames."),
    MAX_GRANT_VERSION(
            "max_grant_version",
            "--max-grant-version",
            "1|2",
            SettingType.NUMBER,
            "2",
            "The highest grant table version that the guest may use, as xl's max_grant_version."),
    HVM_PIRQ(
            "hvm_pirq",
            "--hvm-pirq",
            "",
            SettingType.FLAG,
            "false",
            "Let the guest route devices' interrupts over event channels, as xl's hvm_pirq."),
    CPUID(
            "cpuid",
            "--cpuid",
            "TEXT",
            SettingType.LIST,
            "",
            "Changes to its CPUID leaves, as xl's cpuid: 'host,avx512f=0', or '7,0:ebx=' and 32 characters; may be"
                    + " repeated."),
    CPU_BASELINE(
            "cpu_baseline",
            "--cpu-baseline",
            "FILE",
            SettingType.FILE,
            "",
            "Offer it only the processor of this file, which cpu-policy has written."),
    TSC_MODE(
            "tsc_mode",
            "--tsc-mode",
            TscMode.WORDS,
            SettingType.TEXT,
            TscMode.DEFAULT.word(),
            "Its time stamp counter, as xl's tsc_mode."),
    VIRIDIAN(
            "viridian",
            "--viridian",
            "GROUPS",
            SettingType.LIST,
            "",
            "Hyper-V enlightenments beside Xen's interface, as xl's viridian: defaults, all, GROUP or !GROUP, with"
                    + " commas."),
    NESTEDHVM(
            "nestedhvm",
            "--nestedhvm",
            "",
            SettingType.FLAG,
            "false",
            "Let it have guests of its own, as xl's nestedhvm."),
    ENGINES(
            "engines",
            "--engines",
            "MAP",
            SettingType.TEXT,
            "",
            "Engines of the service that serve its devices: CLASS:INSTANCE, or - for a gap, with commas, such as"
                    + " block:0,-,block:1,net:0. Default: all of each class, in order."),
    DISK(
            "disk",
            "--disk",
            "SPEC",
            SettingType.LIST,
            "",
            "Disk, as xl's disk: TARGET,FORMAT,VDEV,ACCESS or with keys; may be repeated."),
    VIF(
            "vif",
            "--vif",
            "SPEC",
            SettingType.LIST,
            "",
            "Network interface, as xl's vif: mac=..., and other keys with commas; may be repeated."),
    P9(
            "p9",
            "--p9",
            "SPEC",
            SettingType.LIST,
            "",
            "Folder of the host, as xl's p9: tag=TAG,path=FOLDER, and other keys with commas; may be repeated."),
    CHANNEL(
            "channel",
            "--channel",
            "SPEC",
            SettingType.LIST,
            "",
            "Channel for an agent, or without a name a further console (hvc1 and so on in Linux), as xl's channel:"
                    + " name=NAME,connection=pty or connection=socket,path=PATH; also"
                    + " connection=file,path=PATH,max-size=BYTES, and limit=BYTES that wait for a reader; may be"
                    + " repeated."),
    OVERCOMMIT(
            "overcommit",
            "--overcommit",
            "",
            SettingType.FLAG,
            "false",
            "Start the guest even if the host may lack memory for it beside the service's other guests. Then the host's kernel may"
                    + " end the service with all of them."),
    ON_POWEROFF(
            "on_poweroff",
            "--on-poweroff",
            EndAction.WORDS,
            SettingType.ACTION,
            EndActions.DEFAULT.powerOff().word(),
            "What follows when the guest powers off."),
    ON_REBOOT(
            "on_reboot",
            "--on-reboot",
            EndAction.WORDS,
            SettingType.ACTION,
            EndActions.DEFAULT.reboot().word(),
            "What follows when the guest reboots, or a vCPU triple-faults. --no-reboot stands for destroy."),
    ON_CRASH(
            "on_crash",
            "--on-crash",
            EndAction.WORDS,
            SettingType.ACTION,
            EndActions.DEFAULT.crash().word(),
            "What follows when the guest crashes."),
    ON_WATCHDOG(
            "on_watchdog",
            "--on-watchdog",
            EndAction.WORDS,
            SettingType.ACTION,
            EndActions.DEFAULT.watchdog().word(),
            "What follows when the guest's watchdog expires."),
    ON_SOFT_RESET(
            "on_soft_reset",
            "--on-soft-reset",
            EndAction.RESET_WORDS,
            SettingType.RESET_ACTION,
            EndActions.DEFAULT.softReset().word(),
            "What follows when the guest asks for a soft reset (kexec). soft-reset: it goes on in its memory, with"
                    + " new connections to XenStore, console and devices."),
    MS_VM_GENID(
            "ms_vm_genid",
            "--ms-vm-genid",
            "generate|none",
            SettingType.TEXT,
            "none",
            "Give the guest a VM generation id, by which it notices that it is a copy."),
    RTC_TIMEOFFSET(
            "rtc_timeoffset",
            "--rtc-timeoffset",
            "SECONDS",
            SettingType.NUMBER,
            "0",
            "How far the guest's clock is ahead of UTC."),
    LOCALTIME(
            "localtime",
            "--localtime",
            "",
            SettingType.FLAG,
            "false",
            "Set the guest's clock to the host's local time instead of UTC."),
    DEVICE_MODEL(
            "device_model_override",
            "--device-model",
            "qemu|FILE",
            SettingType.FILE,
            "",
            "Give it emulated devices and firmware: the service starts qemu-system-x86_64, or that program elsewhere."),
    BOOT(
            "boot",
            "--boot",
            "LETTERS",
            SettingType.TEXT,
            "cd",
            "With a device model: it boots from disks (c) and CD-ROMs (d), in this order, as xl's boot."),
    HDTYPE(
            "hdtype",
            "--hdtype",
            "ide|ahci",
            SettingType.TEXT,
            "ide",
            "The device model's controller of emulated disks, as xl's hdtype."),
    VNC(
            "vnc",
            "--vnc",
            "",
            SettingType.FLAG,
            "false",
            "Show the device model's screen by VNC, as xl's vnc."),
    VNCLISTEN(
            "vnclisten",
            "--vnclisten",
            "ADDRESS|unix:PATH",
            SettingType.TEXT,
            "127.0.0.1",
            "Where VNC listens, as xl's vnclisten, or on a Unix socket. ADDRESS:DISPLAY has the display too."),
    VNCDISPLAY(
            "vncdisplay",
            "--vncdisplay",
            "N",
            SettingType.NUMBER,
            "0",
            "The display of VNC, whose TCP port is 5900 more, as xl's vncdisplay."),
    SERIAL(
            "serial",
            "--serial-port",
            "pty|none|TEXT",
            SettingType.TEXT,
            "pty",
            "Where the device model's ttyS0 goes, as xl's serial: pty is console -t serial, TEXT is what QEMU's"
                    + " -serial has."),
    DOMID(
            "domid",
            "--domid",
            "N",
            SettingType.NUMBER,
            "",
            "The id of its first domain. Default: the next one of the service's --domids."),
    UUID("uuid", "", "UUID", SettingType.UUID, "", "The guest's UUID. Default: a random one.");

    private final String key;
    private final String option;
    private final String label;
    private final SettingType type;
    private final @Nullable String initial;
    private final String help;

    /// @param option empty for a setting that has no option of its own
    /// @param label the placeholder of the value in help
    /// @param initial null for a setting that must be given; empty for none
    GuestSetting(
            String key,
            String option,
            String label,
            SettingType type,
            @Nullable String initial,
            String help) {
        this.key = key;
        this.option = option;
        this.label = label;
        this.type = type;
        this.initial = initial;
        this.help = help;
    }

    /// Its name in xl.cfg where xl has the setting. On the control socket it always has this name.
    public String key() {
        return key;
    }

    /// Its option; empty if there is none.
    public String option() {
        return option;
    }

    /// The placeholder of its value in help.
    public String label() {
        return label;
    }

    /// The form of its value.
    public SettingType type() {
        return type;
    }

    /// Its value if none is given: empty for none, null if one must be given.
    public @Nullable String initial() {
        return initial;
    }

    /// A sentence or two for an operator, without the default.
    public String help() {
        return help;
    }

    /// The setting of this name, or null.
    static @Nullable GuestSetting keyed(String key) {
        for (GuestSetting setting : values()) {
            if (setting.key.equals(key)) {
                return setting;
            }
        }
        return null;
    }
}
