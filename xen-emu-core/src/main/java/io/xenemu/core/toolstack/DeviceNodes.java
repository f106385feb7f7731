package io.xenemu.core.toolstack;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.primitives.Ints;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.tree.Permissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Writes and removes the nodes of devices, as libxl does (`tools/libs/light/libxl_device.c`). A device has a directory
/// for each end, and a record below `/libxl` that no guest can change. A guest may have written anything to its end's
/// directory.
public final class DeviceNodes {
    /// A node that domain 0 always has ([DomainNodes#writeHost]).
    private static final String SERVICE_PATH = "/local/domain/0/domid";

    private final XenStoreClient client;

    DeviceNodes(XenStoreClient client) {
        this.client = client;
    }

    /// Creates a device, in one transaction.
    ///
    /// @return the device with its number: if none was given, the next one after the highest, for a console the lowest
    ///     one that is free
    /// @throws XenError EEXIST if there is a device of that number, tag or name; ENOENT if a domain is not in
    ///     XenStore; ERANGE if all numbers are taken; otherwise XenStore's error for the device's values
    PvDevice create(DomId frontend, DomId backend, DeviceSpec spec) throws XenError {
        return client.transaction(view -> {
            view.readBytes(PvDevice.devicesPath(frontend));
            // Domain 0 uses no devices, and so has no such directory.
            boolean isService = backend.equals(DomId.DOM0);
            view.readBytes(isService ? SERVICE_PATH : PvDevice.devicesPath(backend));
            PvDevice device =
                    new PvDevice(spec.kind(), frontend, backend, id(view, frontend, spec));
            DeviceContents contents = spec.contents(device);
            if (view.exists(device.recordPath()) || hasLabel(view, device, contents)) {
                throw XenError.EEXIST;
            }
            write(view, device, contents);
            return device;
        });
    }

    /// The node of a device's record with the name by which the guest finds it; empty for a kind without one.
    private static String labelNode(DeviceKind kind) {
        return switch (kind) {
            case P9 -> P9Spec.TAG;
            case CONSOLE -> ConsoleSpec.NAME;
            case VBD, VIF -> "";
        };
    }

    /// Whether the domain has a share of the same tag, or a channel of the same name.
    private static boolean hasLabel(StoreView view, PvDevice device, DeviceContents contents)
            throws XenError {
        String label = contents.back().get(labelNode(device.kind()));
        if (label != null) {
            for (PvDevice other : devices(view, device.kind(), device.frontend())) {
                if (hasLabel(view, other, label)) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean hasLabel(StoreView view, PvDevice device, String label) throws XenError {
        String node = labelNode(device.kind());
        return !node.isEmpty()
                && view.find(device.recordPath() + "/" + node).filter(label::equals).isPresent();
    }

    /// Whether it is a share with a tag, or a channel with a name.
    boolean hasLabel(PvDevice device, String label) throws XenError {
        return hasLabel(client, device, label);
    }

    private static int id(StoreView view, DomId frontend, DeviceSpec spec) throws XenError {
        if (spec.id().isPresent()) {
            return spec.id().getAsInt();
        }
        List<Integer> ids = ids(view, spec.kind(), frontend);
        return spec.kind() == DeviceKind.CONSOLE
                ? consoleId(ids)
                : ids.stream().mapToInt(id -> id + 1).max().orElse(0);
    }

    /// The lowest free number, since there are few.
    private static int consoleId(List<Integer> taken) throws XenError {
        for (int id = ConsoleSpec.FIRST; id <= ConsoleSpec.LAST; id++) {
            if (!taken.contains(id)) {
                return id;
            }
        }
        throw XenError.ERANGE;
    }

    private static void write(StoreView view, PvDevice device, DeviceContents contents)
            throws XenError {
        String owner = "n" + device.frontend().value();
        String peer = "n" + device.backend().value();
        String readOwner = "r" + device.frontend().value();
        String readPeer = "r" + device.backend().value();
        String front = device.frontendPath();
        String back = device.backendPath();
        String record = device.recordPath();
        put(view, record, Map.of("frontend", front));
        put(view, record, Map.of("backend", back));
        fresh(view, front, Permissions.of(owner, readPeer));
        put(view, front, Map.of("backend", back));
        put(view, front, contents.front());
        put(view, front, contents.frontReadable());
        for (String name : contents.frontReadable().keySet()) {
            view.setPermissions(front + "/" + name, Permissions.of(peer, readOwner));
        }
        fresh(view, back, Permissions.of(peer, readOwner));
        put(view, back, Map.of("frontend", front));
        put(view, back, contents.back());
        put(view, record, contents.back());
    }

    /// Writes the nodes of a restored device that tell what the host has chosen anew: a console's terminal.
    ///
    /// @param spec with the host's choice
    void renew(PvDevice device, DeviceSpec spec) throws XenError {
        if (spec instanceof ConsoleSpec console && !console.tty().isEmpty()) {
            Map<String, String> terminal = Map.of(ConsoleSpec.TTY, console.tty());
            client.transaction(view -> {
                put(view, device.frontendPath(), terminal);
                put(view, device.backendPath(), terminal);
                put(view, device.recordPath(), terminal);
                return view;
            });
        }
    }

    private static void fresh(StoreView view, String path, Permissions permissions)
            throws XenError {
        if (view.exists(path)) {
            view.rm(path);
        }
        view.mkdir(path);
        view.setPermissions(path, permissions);
    }

    private static void put(StoreView view, String directory, Map<String, String> nodes)
            throws XenError {
        for (Map.Entry<String, String> node : nodes.entrySet()) {
            view.writeBytes(directory + "/" + node.getKey(), node.getValue().getBytes(UTF_8));
        }
    }

    /// Asks the back end to close a device.
    ///
    /// @param withoutFrontend removes the front end's directory too, for a back end that does not close otherwise
    /// @return false if there is no back end
    boolean close(PvDevice device, boolean withoutFrontend) throws XenError {
        return client.transaction(view -> {
            if (withoutFrontend) {
                removeFrontend(view, device);
            }
            return close(view, device);
        });
    }

    private static boolean close(StoreView view, PvDevice device) throws XenError {
        Optional<XenbusState> state = state(view, device);
        if (state.isEmpty()) {
            return false;
        }
        view.write(device.backendPath() + "/online", "0");
        if (state.get() != XenbusState.CLOSED) {
            view.write(device.backendPath() + "/state", XenbusState.CLOSING.code());
        }
        return true;
    }

    /// Asks the back ends of all of a domain's devices to close them, and removes the rest. The domain gets no more
    /// devices.
    ///
    /// @return the devices that have a back end
    List<PvDevice> closeAll(DomId frontend) throws XenError {
        return client.transaction(view -> {
            List<PvDevice> closing = new ArrayList<>();
            for (DeviceKind kind : DeviceKind.values()) {
                for (PvDevice device : devices(view, kind, frontend)) {
                    if (close(view, device)) {
                        closing.add(device);
                    }
                    removeRecord(view, device);
                }
            }
            String devices = PvDevice.devicesPath(frontend);
            if (view.exists(devices)) {
                view.rm(devices);
            }
            return closing;
        });
    }

    /// Removes all remaining nodes of a device.
    void remove(PvDevice device) throws XenError {
        client.transaction(view -> {
            removeFrontend(view, device);
            remove(view, device.backendPath(), "/local/domain/" + device.backend().value());
            remove(view, device.errorPath(), "/local/domain/" + device.backend().value());
            removeRecord(view, device);
            return device;
        });
    }

    private static void removeFrontend(StoreView view, PvDevice device) throws XenError {
        remove(view, device.frontendPath(), PvDevice.devicesPath(device.frontend()));
    }

    private static void removeRecord(StoreView view, PvDevice device) throws XenError {
        remove(view, device.recordPath(), "/libxl");
    }

    /// Removes a node, and then empty nodes above it; `top` itself stays.
    private static void remove(StoreView view, String path, String top) throws XenError {
        if (view.exists(path)) {
            view.rm(path);
        }
        String above = above(path);
        while (!above.equals(top) && view.exists(above) && removeEmpty(view, above)) {
            above = above(above);
        }
    }

    private static String above(String path) {
        return path.substring(0, path.lastIndexOf('/'));
    }

    private static boolean removeEmpty(StoreView view, String path) throws XenError {
        if (!view.list(path).isEmpty()) {
            return false;
        }
        view.rm(path);
        return true;
    }

    /// The state of a device's back end; empty if there is none.
    Optional<XenbusState> state(PvDevice device) throws XenError {
        return state(client, device);
    }

    private static Optional<XenbusState> state(StoreView view, PvDevice device) throws XenError {
        return view.find(device.backendPath() + "/state").map(XenbusState::parse);
    }

    /// Whether the back end has a directory.
    boolean hasBackend(PvDevice device) throws XenError {
        return client.exists(device.backendPath());
    }

    /// Whether the toolstack has a record of a device.
    boolean hasRecord(PvDevice device) throws XenError {
        return client.exists(device.recordPath());
    }

    /// The value of a node; empty if there is none.
    Optional<String> read(String path) throws XenError {
        return client.find(path);
    }

    /// The devices of a domain, in order of creation.
    List<PvDevice> devices(DeviceKind kind, DomId frontend) throws XenError {
        return client.transaction(view -> devices(view, kind, frontend));
    }

    private static List<PvDevice> devices(StoreView view, DeviceKind kind, DomId frontend)
            throws XenError {
        List<PvDevice> devices = new ArrayList<>();
        for (int id : ids(view, kind, frontend)) {
            String record = PvDevice.recordsPath(kind, frontend) + "/" + id;
            view.find(record + "/backend")
                    .flatMap(path -> PvDevice.recorded(kind, frontend, id, path))
                    .ifPresent(devices::add);
        }
        return devices;
    }

    private static List<Integer> ids(StoreView view, DeviceKind kind, DomId frontend)
            throws XenError {
        String records = PvDevice.recordsPath(kind, frontend);
        List<Integer> ids = new ArrayList<>();
        if (view.exists(records)) {
            for (String name : view.list(records)) {
                Integer id = Ints.tryParse(name);
                if (id != null) {
                    ids.add(id);
                }
            }
        }
        return ids;
    }

    /// Calls `changed` after every change of a back end's directory, and once at the start.
    XenStoreClient.Registration watchBackend(PvDevice device, Runnable changed) {
        return client.watch(device.backendPath(), _ -> changed.run());
    }
}
