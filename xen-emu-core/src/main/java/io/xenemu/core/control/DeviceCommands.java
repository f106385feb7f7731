package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.some;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.DeviceChanges;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceList;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;

/// xl's verbs for disks and network interfaces that the service or another domain serves, and the same
/// for shares and channels.
final class DeviceCommands {
    private static final String DOMAIN = "domain";
    private static final String SPEC = "spec";
    private static final String DEVICE = "device";
    private static final String FORCE = "force";

    static final List<Verb> VERBS =
            List.of(
                    attaches(
                            DeviceKind.VBD,
                            "block-attach",
                            "Give a guest a disk: TARGET,FORMAT,VDEV,ACCESS[,backend=DOMAIN] or with "
                                    + "keys, see xl-disk-configuration(5)."),
                    lists(DeviceKind.VBD, "block-list", "List disks of guests."),
                    detaches(
                            DeviceKind.VBD,
                            "block-detach",
                            "Take a disk from a guest, once both ends have let go of it.",
                            flag(FORCE)),
                    Verb.changes(
                            "block-resize",
                            "Tell a guest that its disk's file or device has grown.",
                            DeviceCommands::resize,
                            one(DOMAIN),
                            one(DEVICE)),
                    attaches(
                            DeviceKind.VIF,
                            "network-attach",
                            "Give a guest a network interface: see xl-network-configuration(5)."),
                    lists(DeviceKind.VIF, "network-list", "List network interfaces of guests."),
                    detaches(
                            DeviceKind.VIF,
                            "network-detach",
                            "Take a network interface from a guest; after 10 s by force."),
                    attaches(
                            DeviceKind.P9,
                            "9pfs-attach",
                            "Share a folder of the host with a guest, which mounts it by its tag: "
                                    + "tag=TAG,path=FOLDER[,security_model=mapped][,ro]"
                                    + "[,max-space=MIB][,max-files=N][,max-open-files=N], "
                                    + "see p9 in xl.cfg(5)."),
                    lists(DeviceKind.P9, "9pfs-list", "List the folders that guests share."),
                    detaches(
                            DeviceKind.P9,
                            "9pfs-detach",
                            "Take a share from a guest; refused after 10 s if it is mounted.",
                            flag(FORCE)),
                    attaches(
                            DeviceKind.CONSOLE,
                            "channel-attach",
                            "Give a guest a channel, or without a name a further console: "
                                    + "name=NAME,connection=pty, or connection=socket,path=PATH, or "
                                    + "connection=file,path=PATH[,max-size=BYTES]; with [,limit=BYTES] to "
                                    + "wait for a reader. See channel in xl.cfg(5)."),
                    lists(
                            DeviceKind.CONSOLE,
                            "channel-list",
                            "List channels and further consoles of guests."),
                    detaches(
                            DeviceKind.CONSOLE,
                            "channel-detach",
                            "Take a channel or further console from a guest.",
                            flag(FORCE)),
                    Verb.reads(
                            "channel-tty",
                            "Show the terminal on which a guest's further console is.",
                            DeviceCommands::terminal,
                            one(DOMAIN),
                            one(DEVICE)));

    private static Verb attaches(DeviceKind kind, String name, String help) {
        return Verb.changes(
                name,
                help,
                (service, call) -> attach(kind, service, call),
                one(DOMAIN),
                some(SPEC));
    }

    private static Verb lists(DeviceKind kind, String name, String help) {
        return Verb.reads(name, help, (service, call) -> list(kind, service, call), some(DOMAIN));
    }

    /// @param more arguments behind the domain and the device
    private static Verb detaches(DeviceKind kind, String name, String help, VerbArgument... more) {
        List<VerbArgument> arguments = new ArrayList<>(List.of(one(DOMAIN), one(DEVICE)));
        arguments.addAll(List.of(more));
        return Verb.changes(
                name,
                help,
                (service, call) -> detach(kind, service, call),
                arguments.toArray(VerbArgument[]::new));
    }

    private DeviceCommands() {}

    /// Creates a device, and waits for its back end.
    private static ControlReply attach(DeviceKind kind, OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        DeviceSpec spec = DeviceSpec.parse(kind, call.all(SPEC), new SecureRandom());
        DeviceAttachment attachment = service.attachment();
        try (DeviceChanges.Change _ = attachment.attaching(call.one(DOMAIN), spec)) {
            PvDevice device = attachment.create(call.one(DOMAIN), spec);
            call.tell(Json.EMPTY.with("created", device.toString()));
            attachment.devices().awaitBackend(device, spec);
        }
        return ControlReply.done();
    }

    private static ControlReply list(DeviceKind kind, OperatedService service, VerbCall call)
            throws Refused {
        List<DomId> frontends = new ArrayList<>();
        for (String name : call.all(DOMAIN)) {
            frontends.add(service.attachment().named(name).id());
        }
        return ControlReply.rows(service.attachment().devices().list().table(kind, frontends));
    }

    private static ControlReply detach(DeviceKind kind, OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        Domain frontend = service.attachment().named(call.one(DOMAIN));
        PvDevices devices = service.attachment().devices();
        try (DeviceChanges.Change _ = service.attachment().change(frontend)) {
            devices.detach(
                    devices.list().find(kind, frontend.id(), call.one(DEVICE)),
                    mode(kind, call.has(FORCE)));
        }
        return ControlReply.done();
    }

    private static ControlReply resize(OperatedService service, VerbCall call) throws Refused {
        Domain frontend = service.attachment().named(call.one(DOMAIN));
        PvDevices devices = service.attachment().devices();
        try (DeviceChanges.Change _ = service.attachment().change(frontend)) {
            devices.resize(devices.list().find(DeviceKind.VBD, frontend.id(), call.one(DEVICE)));
        }
        return ControlReply.done();
    }

    private static ControlReply terminal(OperatedService service, VerbCall call) throws Refused {
        DomId frontend = service.attachment().named(call.one(DOMAIN)).id();
        DeviceList list = service.attachment().devices().list();
        PvDevice console = list.find(DeviceKind.CONSOLE, frontend, call.one(DEVICE));
        return ControlReply.rows(List.of(list.terminal(console)));
    }

    private static DetachMode mode(DeviceKind kind, boolean force) {
        if (force) {
            return DetachMode.FORCED;
        }
        return kind == DeviceKind.VIF ? DetachMode.FORCED_AFTER_LIMIT : DetachMode.ORDERLY;
    }
}
