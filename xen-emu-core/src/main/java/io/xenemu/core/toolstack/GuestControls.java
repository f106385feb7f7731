package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;

/// The nodes in XenStore by which an operator tells a guest what to do, as xl does. The guest watches them, and decides
/// whether to act.
///
/// Source: Xen, docs/misc/xenstore-paths.pandoc.
public final class GuestControls {
    private static final String ONLINE = "online";
    private static final String OFFLINE = "offline";

    private final XenStoreServer store;

    public GuestControls(XenStoreServer store) {
        this.store = store;
    }

    private static String home(DomId domain) {
        return "/local/domain/" + domain.value();
    }

    private static String shutdownNode(DomId domain) {
        return home(domain) + "/control/shutdown";
    }

    private static String availability(DomId domain, int vcpu) {
        return home(domain) + "/cpu/" + vcpu + "/availability";
    }

    /// Asks a guest to shut down.
    ///
    /// @param how a word of Linux's `control/shutdown`: `poweroff`, `reboot` or `suspend`
    /// @throws XenError the error that XenStore answers
    public void shutDown(DomId domain, String how) throws XenError {
        try (XenStoreClient client = store.client()) {
            client.write(shutdownNode(domain), how);
        }
    }

    /// Withdraws a request of [#shutDown], unless the guest has taken it.
    ///
    /// @param how the word of the request
    /// @throws XenError the error that XenStore answers
    public void withdraw(DomId domain, String how) throws XenError {
        try (XenStoreClient client = store.client()) {
            client.transaction(view -> {
                if (view.read(shutdownNode(domain)).equals(how)) {
                    view.write(shutdownNode(domain), "");
                }
                return view;
            });
        }
    }

    /// Sends a guest a SysRq, as `xl sysrq` does. Linux then empties the node.
    ///
    /// @param key a printable character of ASCII
    /// @throws XenError the error that XenStore answers
    public void sysrq(DomId domain, char key) throws XenError {
        try (XenStoreClient client = store.client()) {
            client.write(home(domain) + "/control/sysrq", Character.toString(key));
        }
    }

    /// Writes a guest's VM generation id, as libxl does for hvmloader.
    ///
    /// @param text both halves, as `LOW:HIGH`
    /// @throws XenError the error that XenStore answers
    public void generationId(DomId domain, String text) throws XenError {
        try (XenStoreClient client = store.client()) {
            client.write(home(domain) + "/platform/generation-id", text);
        }
    }

    /// Asks a guest to use the first `online` of its vCPUs.
    ///
    /// @param all the number of its vCPUs
    /// @throws XenError ENOENT if the domain is not in XenStore; otherwise the error that XenStore answers
    public void useVcpus(DomId domain, int all, int online) throws XenError {
        try (XenStoreClient client = store.client()) {
            client.transaction(view -> {
                // A domain that has ended must not get nodes again.
                view.readBytes(home(domain));
                for (int vcpu = 0; vcpu < all; vcpu++) {
                    setAvailability(view, availability(domain, vcpu), vcpu < online);
                }
                return view;
            });
        }
    }

    /// Writes a vCPU's node only if its value changes, since each write wakes the guest.
    private static void setAvailability(StoreView view, String node, boolean online)
            throws XenError {
        String value = online ? ONLINE : OFFLINE;
        if (!view.exists(node) || !view.read(node).equals(value)) {
            view.write(node, value);
        }
    }

    /// The number of vCPUs that a guest was last asked to use.
    ///
    /// @param all the number of its vCPUs
    /// @throws XenError the error that XenStore answers
    public int usedVcpus(DomId domain, int all) throws XenError {
        int used = 0;
        try (XenStoreClient client = store.client()) {
            for (int vcpu = 0; vcpu < all; vcpu++) {
                used += client.read(availability(domain, vcpu)).equals(ONLINE) ? 1 : 0;
            }
        }
        return used;
    }
}
