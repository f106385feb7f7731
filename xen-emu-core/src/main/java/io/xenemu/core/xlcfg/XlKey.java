package io.xenemu.core.xlcfg;

import com.google.common.base.Splitter;
import io.xenemu.core.guest.GuestSetting;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The keys of xl.cfg(5), and those that only this service has: what each does. The documents repeat this table, and a
/// test compares them.
///
/// A key that becomes a setting of its own is one row with that setting: nothing else has to be changed.
public enum XlKey {
    // The guest as a whole.
    NAME(XlUse.SETTING, GuestSetting.NAME, XlForm.TEXT, "needed"),
    UUID(XlUse.SETTING, GuestSetting.UUID, XlForm.UUID, ""),
    TYPE(
            XlUse.START,
            "pvh; pv starts in Xen's shim; hvm has a device model; with a kernel and no device_model_override it starts as pvh, with a warning. Without type and builder it is pv, as in xl"),
    BUILDER(XlUse.START, "the older form of type: generic is pv"),
    MEMORY(XlUse.SETTING, GuestSetting.MEMORY, XlForm.NUMBER, "MiB"),
    MAXMEM(XlUse.SETTING, GuestSetting.MAXMEM, XlForm.NUMBER, "MiB"),
    VCPUS(XlUse.SETTING, GuestSetting.VCPUS, XlForm.COUNT, ""),
    MAXVCPUS(XlUse.SETTING, GuestSetting.MAXVCPUS, XlForm.NUMBER, ""),
    // What it starts with.
    KERNEL(XlUse.START, ""),
    RAMDISK(XlUse.START, ""),
    CMDLINE(XlUse.START, "it counts in place of root and extra, with a warning"),
    ROOT(XlUse.START, "\"root=\" before it is added"),
    EXTRA(XlUse.START, ""),
    FIRMWARE(
            XlUse.START,
            "pvgrub32 and pvgrub64 are GRUB (pvgrub); a path is another PVH image, which xl does not take. For hvm bios, uefi, seabios and ovmf, or a file"),
    BOOTLOADER(
            XlUse.START,
            "pygrub becomes GRUB inside the guest, with the guest's own menu; others are refused"),
    BOOTLOADER_ARGS(XlUse.IGNORED, "GRUB shows the guest's own menu"),
    BOOTLOADER_RESTRICT(XlUse.SILENT, "no boot loader runs on the host"),
    BOOTLOADER_USER(XlUse.SILENT, "no boot loader runs on the host"),
    PVSHIM(XlUse.START, "the kernel starts in Xen's shim"),
    PVSHIM_PATH(XlUse.START, "default: xen-shim of the newest Xen on the host"),
    PVSHIM_CMDLINE(XlUse.START, "default: pv-shim console=xen,pv"),
    PVSHIM_EXTRA(XlUse.START, ""),
    // What follows its end.
    ON_POWEROFF(XlUse.SETTING, GuestSetting.ON_POWEROFF, XlForm.TEXT, ""),
    ON_REBOOT(XlUse.SETTING, GuestSetting.ON_REBOOT, XlForm.TEXT, ""),
    ON_CRASH(XlUse.SETTING, GuestSetting.ON_CRASH, XlForm.TEXT, ""),
    ON_WATCHDOG(XlUse.SETTING, GuestSetting.ON_WATCHDOG, XlForm.TEXT, ""),
    ON_SOFT_RESET(XlUse.SETTING, GuestSetting.ON_SOFT_RESET, XlForm.TEXT, ""),
    // Its devices.
    DISK(XlUse.SETTING, GuestSetting.DISK, XlForm.TEXTS, "see devices.md"),
    VIF(XlUse.SETTING, GuestSetting.VIF, XlForm.TEXTS, "see devices.md"),
    P9(XlUse.SETTING, GuestSetting.P9, XlForm.TEXTS, "see devices.md"),
    CHANNEL(XlUse.SETTING, GuestSetting.CHANNEL, XlForm.TEXTS, "see devices.md"),
    SERIAL(
            XlUse.HVM,
            GuestSetting.SERIAL,
            XlForm.TEXT,
            "others have one serial port, for console -t serial"),
    VIF2(XlUse.IGNORED, "xl does not have it either"),
    VFB(XlUse.REFUSED, "no virtual frame buffer"),
    VKB(XlUse.REFUSED, "no virtual keyboard"),
    VTPM(XlUse.REFUSED, "no virtual TPM"),
    VDISPL(XlUse.REFUSED, "no virtual display"),
    VSND(XlUse.REFUSED, "no virtual sound card"),
    VIRTIO(XlUse.REFUSED, "no virtio devices"),
    PVCALLS(XlUse.REFUSED, "no PV sockets"),
    USBCTRL(XlUse.REFUSED, "no virtual USB controller"),
    USBDEV(XlUse.REFUSED, "no virtual USB controller"),
    PCI(XlUse.REFUSED, "devices of the host are not passed through"),
    GFX_PASSTHRU(XlUse.REFUSED, "devices of the host are not passed through"),
    RDM(XlUse.REFUSED, "devices of the host are not passed through"),
    DTDEV(XlUse.REFUSED, "devices of the host are not passed through"),
    IOPORTS(XlUse.REFUSED, "devices of the host are not passed through"),
    IOMEM(XlUse.REFUSED, "devices of the host are not passed through"),
    IRQS(XlUse.REFUSED, "devices of the host are not passed through"),
    PASSTHROUGH("default disabled 0", "devices of the host are not passed through"),
    PCI_PERMISSIVE(XlUse.SILENT, "it belongs to pci"),
    PCI_MSITRANSLATE(XlUse.SILENT, "it belongs to pci"),
    PCI_SEIZE(XlUse.SILENT, "it belongs to pci"),
    PCI_POWER_MGMT(XlUse.SILENT, "it belongs to pci"),
    RDM_MEM_BOUNDARY(XlUse.SILENT, "it belongs to pci"),
    // Its processor and clock.
    CPUID(XlUse.SETTING, GuestSetting.CPUID, XlForm.TEXT_OR_TEXTS, ""),
    NESTEDHVM(XlUse.SETTING, GuestSetting.NESTEDHVM, XlForm.FLAG, ""),
    VIRIDIAN(
            XlUse.SETTING,
            GuestSetting.VIRIDIAN,
            XlForm.FLAG_OR_TEXTS,
            "for guests of any type; xl reads it for hvm alone"),
    TSC_MODE(
            XlUse.SETTING,
            GuestSetting.TSC_MODE,
            XlForm.TEXT,
            "always_emulate and native_paravirt are refused"),
    LOCALTIME(XlUse.SETTING, GuestSetting.LOCALTIME, XlForm.FLAG, ""),
    RTC_TIMEOFFSET(XlUse.SETTING, GuestSetting.RTC_TIMEOFFSET, XlForm.NUMBER, ""),
    MS_VM_GENID(
            XlUse.SETTING,
            GuestSetting.MS_VM_GENID,
            XlForm.TEXT,
            "for guests of any type; xl reads it for hvm alone"),
    TIMER_MODE(XlUse.IGNORED, "KVM delivers the ticks of its timers"),
    VPT_ALIGN(XlUse.HVM_ONLY, "KVM has the timers"),
    HPET(XlUse.HVM_ONLY, "a guest has no HPET"),
    HAP(XlUse.SILENT, "KVM decides, for all guests"),
    OOS(XlUse.SILENT, "KVM decides, for all guests"),
    SHADOW_MEMORY(XlUse.SILENT, "KVM decides, for all guests"),
    ACPI("1", "a guest has ACPI tables"),
    APIC("1", "a guest has a local APIC for each vCPU, and an I/O APIC"),
    PAE("1", "cpuid takes it away"),
    NX("1", "cpuid takes it away"),
    ACPI_S3(XlUse.HVM_ONLY, "a guest has no sleep states"),
    ACPI_S4(XlUse.HVM_ONLY, "a guest has no sleep states"),
    ACPI_LAPTOP_SLATE(XlUse.HVM_ONLY, "a guest has no such device"),
    MMIO_HOLE(XlUse.HVM_ONLY, "the memory map is fixed"),
    MCA_CAPS(XlUse.REFUSED, "KVM has the machine checks"),
    ALTP2M(XlUse.REFUSED, "no alternate memory maps"),
    ALTP2MHVM(XlUse.REFUSED, "no alternate memory maps"),
    ALTP2M_COUNT(XlUse.REFUSED, "no alternate memory maps"),
    VPMU(XlUse.REFUSED, "no performance counters"),
    VMTRACE_BUF_KB(XlUse.REFUSED, "no processor traces"),
    MSR_RELAXED(XlUse.IGNORED, "KVM decides about unknown MSRs"),
    VNUMA(XlUse.REFUSED, "a guest has one NUMA node"),
    E820_HOST(XlUse.IGNORED, "the memory map is Xen's for PVH guests"),
    // Its limits, and its place on the host.
    MAX_EVENT_CHANNELS(XlUse.SETTING, GuestSetting.MAX_EVENT_CHANNELS, XlForm.NUMBER, ""),
    MAX_GRANT_FRAMES(XlUse.SETTING, GuestSetting.MAX_GRANT_FRAMES, XlForm.NUMBER, ""),
    MAX_MAPTRACK_FRAMES(XlUse.SETTING, GuestSetting.MAX_MAPTRACK_FRAMES, XlForm.NUMBER, ""),
    MAX_GRANT_VERSION(XlUse.SETTING, GuestSetting.MAX_GRANT_VERSION, XlForm.NUMBER, ""),
    HVM_PIRQ(
            XlUse.SETTING,
            GuestSetting.HVM_PIRQ,
            XlForm.FLAG,
            "for guests of any type; xl reads it for hvm alone"),
    CPUS(XlUse.IGNORED, "Linux places the vCPUs; vcpu-pin pins them"),
    CPUS_SOFT(XlUse.IGNORED, "Linux places the vCPUs; vcpu-pin pins them"),
    CPU_WEIGHT(XlUse.IGNORED, "Linux schedules the vCPUs"),
    CAP(XlUse.IGNORED, "Linux schedules the vCPUs"),
    PERIOD(XlUse.IGNORED, "Linux schedules the vCPUs"),
    SLICE(XlUse.IGNORED, "Linux schedules the vCPUs"),
    LATENCY(XlUse.IGNORED, "Linux schedules the vCPUs"),
    EXTRATIME(XlUse.IGNORED, "Linux schedules the vCPUs"),
    POOL(XlUse.IGNORED, "Linux schedules the vCPUs"),
    NOMIGRATE(XlUse.IGNORED, "migrate asks the operator"),
    DRIVER_DOMAIN(XlUse.SILENT, "any guest may serve devices"),
    XENSTORE_QUOTA(XlUse.REFUSED, "--quota of the service has the limits of all guests"),
    XENSTORE_FEATURE_MASK(XlUse.REFUSED, "all guests have the same XenStore"),
    SECLABEL(XlUse.IGNORED, "there are no security labels"),
    INIT_SECLABEL(XlUse.IGNORED, "there are no security labels"),
    DEVICE_MODEL_STUBDOMAIN_SECLABEL(XlUse.IGNORED, "there are no security labels"),
    XEND_SUSPEND_EVTCHN_COMPAT(XlUse.SILENT, "no guest needs it"),
    // The device model of a guest of type hvm.
    BIOS(XlUse.START, "for hvm, in place of firmware: seabios or ovmf"),
    BIOS_PATH_OVERRIDE(XlUse.DEVICE_MODEL, ""),
    FIRMWARE_OVERRIDE(XlUse.DEVICE_MODEL, ""),
    BOOT(XlUse.HVM, GuestSetting.BOOT, XlForm.TEXT, "c and d"),
    HDTYPE(XlUse.HVM, GuestSetting.HDTYPE, XlForm.TEXT, "ide or ahci"),
    DEVICE_MODEL_OVERRIDE(
            XlUse.HVM, GuestSetting.DEVICE_MODEL, XlForm.TEXT, "the host's QEMU if it is missing"),
    DEVICE_MODEL_VERSION(XlUse.DEVICE_MODEL, ""),
    DEVICE_MODEL_STUBDOMAIN_OVERRIDE(XlUse.DEVICE_MODEL, ""),
    DEVICE_MODEL_USER(XlUse.DEVICE_MODEL, ""),
    DEVICE_MODEL_ARGS(XlUse.DEVICE_MODEL, ""),
    DEVICE_MODEL_ARGS_PV(XlUse.DEVICE_MODEL, ""),
    DEVICE_MODEL_ARGS_HVM(XlUse.DEVICE_MODEL, ""),
    STUBDOMAIN_KERNEL(XlUse.DEVICE_MODEL, ""),
    STUBDOMAIN_CMDLINE(XlUse.DEVICE_MODEL, ""),
    STUBDOMAIN_RAMDISK(XlUse.DEVICE_MODEL, ""),
    STUBDOMAIN_MEMORY(XlUse.DEVICE_MODEL, ""),
    DM_RESTRICT(XlUse.DEVICE_MODEL, ""),
    VNC(XlUse.HVM, GuestSetting.VNC, XlForm.FLAG, "off if it is missing; on in xl"),
    VNCLISTEN(XlUse.HVM, GuestSetting.VNCLISTEN, XlForm.TEXT, ""),
    VNCDISPLAY(XlUse.HVM, GuestSetting.VNCDISPLAY, XlForm.NUMBER, ""),
    VNCUNUSED(XlUse.DEVICE_MODEL, ""),
    VNCPASSWD(XlUse.DEVICE_MODEL, ""),
    SDL(XlUse.DEVICE_MODEL, ""),
    OPENGL(XlUse.DEVICE_MODEL, ""),
    DISPLAY(XlUse.DEVICE_MODEL, ""),
    XAUTHORITY(XlUse.DEVICE_MODEL, ""),
    KEYMAP(XlUse.DEVICE_MODEL, ""),
    NOGRAPHIC(XlUse.DEVICE_MODEL, ""),
    VGA(XlUse.DEVICE_MODEL, ""),
    STDVGA(XlUse.DEVICE_MODEL, ""),
    VIDEORAM(XlUse.DEVICE_MODEL, ""),
    SPICE(XlUse.DEVICE_MODEL, ""),
    SPICEHOST(XlUse.DEVICE_MODEL, ""),
    SPICEPORT(XlUse.DEVICE_MODEL, ""),
    SPICETLS_PORT(XlUse.DEVICE_MODEL, ""),
    SPICEDISABLE_TICKETING(XlUse.DEVICE_MODEL, ""),
    SPICEPASSWD(XlUse.DEVICE_MODEL, ""),
    SPICEAGENT_MOUSE(XlUse.DEVICE_MODEL, ""),
    SPICEVDAGENT(XlUse.DEVICE_MODEL, ""),
    SPICE_CLIPBOARD_SHARING(XlUse.DEVICE_MODEL, ""),
    SPICEUSBREDIRECTION(XlUse.DEVICE_MODEL, ""),
    SPICE_IMAGE_COMPRESSION(XlUse.DEVICE_MODEL, ""),
    SPICE_STREAMING_VIDEO(XlUse.DEVICE_MODEL, ""),
    SOUNDHW(XlUse.DEVICE_MODEL, ""),
    VKB_DEVICE(XlUse.DEVICE_MODEL, ""),
    USB(XlUse.DEVICE_MODEL, ""),
    USBVERSION(XlUse.DEVICE_MODEL, ""),
    USBDEVICE(XlUse.DEVICE_MODEL, ""),
    VENDOR_DEVICE(XlUse.DEVICE_MODEL, ""),
    SMBIOS(XlUse.DEVICE_MODEL, ""),
    SMBIOS_FIRMWARE(XlUse.DEVICE_MODEL, ""),
    ACPI_FIRMWARE(XlUse.DEVICE_MODEL, ""),
    XEN_PLATFORM_PCI(XlUse.HVM_ONLY, "PV drivers need no PCI device here"),
    XEN_PLATFORM_PCI_BAR_UC(XlUse.HVM_ONLY, "there is no such PCI device"),
    DEVICE_MODEL(XlUse.IGNORED, "xl ignores it too"),
    VNCVIEWER(XlUse.IGNORED, "xl ignores it too"),
    // Arm alone.
    DEVICE_TREE(XlUse.REFUSED, "for Arm processors alone"),
    GIC_VERSION(XlUse.REFUSED, "for Arm processors alone"),
    VUART(XlUse.REFUSED, "for Arm processors alone"),
    TEE(XlUse.REFUSED, "for Arm processors alone"),
    SVE(XlUse.REFUSED, "for Arm processors alone"),
    NR_SPIS(XlUse.REFUSED, "for Arm processors alone"),
    TRAP_UNMAPPED_ACCESSES(XlUse.REFUSED, "for Arm processors alone"),
    ARM_SCI(XlUse.REFUSED, "for Arm processors alone"),
    LLC_COLORS(XlUse.REFUSED, "for Arm processors alone"),
    // Settings that xl does not have.
    XEN_VERSION(XlUse.OWN, GuestSetting.XEN_VERSION, XlForm.TEXT, ""),
    EVTCHN(XlUse.OWN, GuestSetting.EVTCHN, XlForm.TEXT, ""),
    CPU_BASELINE(XlUse.OWN, GuestSetting.CPU_BASELINE, XlForm.TEXT, ""),
    ENGINES(XlUse.OWN, GuestSetting.ENGINES, XlForm.TEXT, ""),
    OVERCOMMIT(XlUse.OWN, GuestSetting.OVERCOMMIT, XlForm.FLAG, ""),
    DOMID(XlUse.OWN, GuestSetting.DOMID, XlForm.NUMBER, "");

    private static final Splitter BLANK = Splitter.on(' ');

    private static final Map<String, XlKey> BY_NAME =
            Arrays.stream(values())
                    .collect(Collectors.toUnmodifiableMap(XlKey::key, Function.identity()));

    private final XlUse use;
    private final @Nullable GuestSetting setting;
    private final XlForm form;
    private final String accepted;
    private final String note;

    XlKey(XlUse use, @Nullable GuestSetting setting, XlForm form, String accepted, String note) {
        this.use = use;
        this.setting = setting;
        this.form = form;
        this.accepted = accepted;
        this.note = note;
    }

    XlKey(XlUse use, GuestSetting setting, XlForm form, String note) {
        this(use, setting, form, "", note);
    }

    XlKey(XlUse use, String note) {
        this(use, null, XlForm.TEXT, "", note);
    }

    /// A key of which only some values can be had.
    XlKey(String accepted, String note) {
        this(XlUse.FIXED, null, XlForm.TEXT, accepted, note);
    }

    /// The key of a name, or null.
    static @Nullable XlKey named(String name) {
        return BY_NAME.get(name);
    }

    /// The names of all keys.
    static Set<String> names() {
        return BY_NAME.keySet();
    }

    /// Its name in a file.
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// Its use.
    public XlUse use() {
        return use;
    }

    /// The setting that it becomes, or null.
    @Nullable GuestSetting setting() {
        return setting;
    }

    /// The form of its value, if it becomes a setting.
    XlForm form() {
        return form;
    }

    /// The values that can be had of a key whose use is [XlUse#FIXED].
    List<String> accepted() {
        return BLANK.splitToList(accepted);
    }

    /// What an operator has to know of it: the reason if it is not used, otherwise what is special. It may be empty.
    public String note() {
        return note;
    }
}
