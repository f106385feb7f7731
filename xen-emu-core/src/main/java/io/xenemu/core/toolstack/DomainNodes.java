package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.tree.Permissions;
import java.util.List;
import java.util.Locale;

/// Writes the initial nodes of a domain as libxl does for a PVH domain (`tools/libs/light`), with the same paths,
/// values, permissions and order of creation. It leaves out nodes below `/libxl` that only xl itself reads.
public final class DomainNodes {
    /// The most bytes that the console's back end keeps for a guest that writes faster than it is read.
    private static final int CONSOLE_LIMIT = 1 << 20;

    private static final List<String> GUEST_CONTROLS =
            List.of("shutdown", "feature-poweroff", "feature-reboot", "feature-suspend", "sysrq");

    private static final List<String> GUEST_DIRECTORIES =
            List.of("data", "drivers", "feature", "attr", "error");

    private final XenStoreClient client;

    /// Writes through `client`.
    public DomainNodes(XenStoreClient client) {
        this.client = client;
    }

    /// Writes the nodes of domain 0 that every store has: `/tool/xenstored`, and domain 0's own directory.
    ///
    /// @throws XenError EAGAIN if others keep changing the same nodes
    public void writeHost() throws XenError {
        client.transaction(view -> {
            view.mkdir("/tool/xenstored");
            view.write("/local/domain/0/domid", "0");
            view.write("/local/domain/0/name", "Domain-0");
            return view;
        });
    }

    /// Writes all nodes of a domain in one transaction, and replaces earlier nodes of that domain id. The domain must
    /// exist already ([io.xenemu.xenstore.ring.GuestDomains#exists]); introduce it afterwards.
    ///
    /// @throws XenError ENOENT if the domain does not exist; EAGAIN if others keep changing the same nodes
    public void write(DomainDescription description) throws XenError {
        client.transaction(view -> {
            remove(view, description);
            new Writer(view, description).all();
            return view;
        });
    }

    /// Removes all nodes of a domain, its console's back end included.
    ///
    /// @throws XenError EAGAIN if others keep changing the same nodes
    public void remove(DomainDescription description) throws XenError {
        client.transaction(view -> {
            remove(view, description);
            return view;
        });
    }

    /// Gives a domain another name and UUID, as `libxl_domain_preserve` does. The directory of its former UUID is free
    /// for another domain then.
    ///
    /// @throws XenError ENOENT if the domain has no nodes; EAGAIN if others keep changing the same nodes
    public void rename(DomainDescription before, DomainDescription after) throws XenError {
        client.transaction(view -> {
            // It must be there.
            view.read(directory(before.domain()) + "/name");
            if (view.exists(vmDirectory(before))) {
                view.rm(vmDirectory(before));
            }
            Writer writer = new Writer(view, after);
            writer.names();
            writer.vm();
            return view;
        });
    }

    private static String directory(DomId domain) {
        return "/local/domain/" + domain.value();
    }

    private static String vmDirectory(DomainDescription description) {
        return "/vm/" + description.uuid();
    }

    private static String consoleBackend(DomId domain) {
        return "/local/domain/0/backend/console/" + domain.value();
    }

    private static void remove(StoreView view, DomainDescription description) throws XenError {
        for (String path :
                List.of(
                        directory(description.domain()),
                        vmDirectory(description),
                        consoleBackend(description.domain()))) {
            if (view.exists(path)) {
                view.rm(path);
            }
        }
    }

    /// Writes the nodes of one domain.
    private static final class Writer {
        private final StoreView view;
        private final DomainDescription description;
        private final String home;
        private final Permissions readable;
        private final Permissions owned;

        Writer(StoreView view, DomainDescription description) {
            this.view = view;
            this.description = description;
            int id = description.domain().value();
            home = directory(description.domain());
            readable = Permissions.of("n0", "r" + id);
            owned = Permissions.of("n" + id);
        }

        private void node(String path, Permissions permissions) throws XenError {
            view.mkdir(path);
            view.setPermissions(path, permissions);
        }

        void all() throws XenError {
            node(home, readable);
            names();
            for (String directory : List.of("cpu", "memory", "device", "control")) {
                node(home + "/" + directory, readable);
            }
            node(home + "/device/suspend/event-channel", owned);
            for (String control : GUEST_CONTROLS) {
                node(home + "/control/" + control, owned);
            }
            for (String directory : GUEST_DIRECTORIES) {
                node(home + "/" + directory, owned);
            }
            vm();
            view.write(home + "/control/platform-feature-multiprocessor-suspend", "1");
            view.write(home + "/control/platform-feature-xs_reset_watches", "1");
            resources();
            view.write(vmDirectory(description) + "/start_time", startTime());
            console();
        }

        /// The directory of its UUID, and its name.
        void names() throws XenError {
            String vm = vmDirectory(description);
            node(vm, readable);
            view.write(home + "/vm", vm);
            view.write(home + "/name", description.name());
        }

        void vm() throws XenError {
            String vm = vmDirectory(description);
            view.write(vm + "/uuid", description.uuid().toString());
            view.write(vm + "/name", description.name());
        }

        /// Seconds and hundredths since 1970.
        private String startTime() {
            long hundredths = description.started().toEpochMilli() / 10;
            return String.format(Locale.ROOT, "%d.%02d", hundredths / 100, hundredths % 100);
        }

        private void resources() throws XenError {
            view.write(home + "/memory/static-max", Long.toString(description.staticMaxKiB()));
            view.write(home + "/memory/target", Long.toString(description.targetKiB()));
            view.write(home + "/memory/videoram", Long.toString(description.videoRamKiB()));
            view.write(home + "/domid", Integer.toString(description.domain().value()));
            view.write(home + "/store/port", Integer.toString(description.store().port()));
            view.write(home + "/store/ring-ref", Long.toString(description.store().gfn()));
            for (int cpu = 0; cpu < description.vcpus(); cpu++) {
                String state = cpu < description.onlineVcpus() ? "online" : "offline";
                view.write(home + "/cpu/" + cpu + "/availability", state);
            }
        }

        private void console() throws XenError {
            String backend = consoleBackend(description.domain()) + "/0";
            String frontend = home + "/console";
            node(frontend, readable);
            view.write(frontend + "/backend", backend);
            view.write(frontend + "/backend-id", "0");
            view.write(frontend + "/limit", Integer.toString(CONSOLE_LIMIT));
            view.write(frontend + "/type", "xenconsoled");
            view.write(frontend + "/output", "pty");
            view.write(frontend + "/tty", description.consoleTty());
            view.write(frontend + "/port", Integer.toString(description.console().port()));
            view.write(frontend + "/ring-ref", Long.toString(description.console().gfn()));
            node(backend, readable);
            view.write(backend + "/frontend", frontend);
            view.write(backend + "/frontend-id", Integer.toString(description.domain().value()));
            view.write(backend + "/online", "1");
            view.write(backend + "/state", "1");
            view.write(backend + "/protocol", "vt100");
        }
    }
}
