package io.xenemu.core.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// xl's verbs that have no meaning here, with the reason.
enum RefusedVerb {
    PCI_ATTACH("no PCI devices are passed through"),
    PCI_DETACH("no PCI devices are passed through"),
    PCI_LIST("no PCI devices are passed through"),
    PCI_ASSIGNABLE_ADD("no PCI devices are passed through"),
    PCI_ASSIGNABLE_REMOVE("no PCI devices are passed through"),
    PCI_ASSIGNABLE_LIST("no PCI devices are passed through"),
    VNCVIEWER("no viewer is started; vnc=1 serves a device model's screen"),
    CD_INSERT("emulated drives do not change; block-attach and block-detach change PV disks"),
    CD_EJECT("emulated drives do not change; block-attach and block-detach change PV disks"),
    CONFIG_UPDATE("a running guest keeps its configuration until it is created again"),
    SHARING("guests share no pages but those of clones"),
    CLAIMS("memory is not claimed in advance"),
    SCHED_CREDIT("Linux schedules the vCPUs"),
    SCHED_CREDIT2("Linux schedules the vCPUs"),
    SCHED_RTDS("Linux schedules the vCPUs"),
    CPUPOOL_CREATE("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_LIST("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_DESTROY("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_RENAME("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_CPU_ADD("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_CPU_REMOVE("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_MIGRATE("Linux schedules the vCPUs, and has control groups for pools"),
    CPUPOOL_NUMA_SPLIT("Linux schedules the vCPUs, and has control groups for pools"),
    SET_PARAMETERS("there is no hypervisor whose parameters could be set"),
    RENAME("a guest keeps its name"),
    VTPM_ATTACH("there are no virtual TPMs"),
    VTPM_LIST("there are no virtual TPMs"),
    VTPM_DETACH("there are no virtual TPMs"),
    VKB_ATTACH("there are no virtual keyboards"),
    VKB_LIST("there are no virtual keyboards"),
    VKB_DETACH("there are no virtual keyboards"),
    VDISPL_ATTACH("there are no virtual displays"),
    VDISPL_LIST("there are no virtual displays"),
    VDISPL_DETACH("there are no virtual displays"),
    VSND_ATTACH("there are no virtual sound cards"),
    VSND_LIST("there are no virtual sound cards"),
    VSND_DETACH("there are no virtual sound cards"),
    GETENFORCE("there are no security labels"),
    SETENFORCE("there are no security labels"),
    LOADPOLICY("there are no security labels"),
    REMUS(
            "checkpoints to another host are not kept up; save -c --checkpoint-every writes them to a file"),
    DEVD("the service serves the devices itself"),
    PSR_HWINFO("Linux has resctrl for it"),
    PSR_CMT_ATTACH("Linux has resctrl for it"),
    PSR_CMT_DETACH("Linux has resctrl for it"),
    PSR_CMT_SHOW("Linux has resctrl for it"),
    PSR_CAT_SET("Linux has resctrl for it"),
    PSR_CAT_SHOW("Linux has resctrl for it"),
    PSR_MBA_SET("Linux has resctrl for it"),
    PSR_MBA_SHOW("Linux has resctrl for it"),
    USBCTRL_ATTACH("there are no USB devices"),
    USBCTRL_DETACH("there are no USB devices"),
    USBDEV_ATTACH("there are no USB devices"),
    USBDEV_DETACH("there are no USB devices"),
    USB_LIST("there are no USB devices"),
    QEMU_MONITOR_COMMAND("the monitor of a device model is not given away"),
    DT_OVERLAY("for Arm processors alone"),
    XENSTORE_QUOTA_GET("--quota of the service has the limits"),
    XENSTORE_QUOTA_SET("--quota of the service has the limits");

    private final String reason;

    RefusedVerb(String reason) {
        this.reason = reason;
    }

    /// xl's name.
    String verb() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// The reason.
    String reason() {
        return reason;
    }

    /// The line for an operator.
    String line() {
        return verb() + ": not here: " + reason;
    }

    /// The names of all.
    static List<String> names() {
        return Arrays.stream(values()).map(RefusedVerb::verb).toList();
    }

    /// The verb of a name, or null.
    static @Nullable RefusedVerb named(String name) {
        for (RefusedVerb verb : values()) {
            if (verb.verb().equals(name)) {
                return verb;
            }
        }
        return null;
    }
}
