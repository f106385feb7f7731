package io.xenemu.core.toolstack;

import com.google.common.collect.ImmutableMap;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;

/// The operator's list of PV drivers that are not to load: nodes `/mh/driver-blacklist/NAME/BUILD` in XenStore.
///
/// Source: Xen, docs/misc/hvm-emulated-unplug.pandoc.
public final class DriverBlacklist {
    /// The names of products by number (Xen, public/hvm/pvdrivers.h). Others cannot be listed.
    private static final ImmutableMap<Integer, String> PRODUCTS =
            ImmutableMap.of(
                    1, "xensource-windows",
                    2, "gplpv-windows",
                    3, "linux",
                    0xffff, "experimental");

    private final XenStoreServer store;

    /// @param store has the list
    public DriverBlacklist(XenStoreServer store) {
        this.store = store;
    }

    /// Whether drivers are listed. A store that cannot answer lists none.
    ///
    /// @param product their number
    /// @param build the number of their release
    public boolean has(int product, long build) {
        String name = PRODUCTS.get(product);
        if (name == null) {
            return false;
        }
        try (XenStoreClient client = store.client()) {
            String _ = client.read("/mh/driver-blacklist/" + name + "/" + build);
            return true;
        } catch (XenError e) {
            return false;
        }
    }
}
