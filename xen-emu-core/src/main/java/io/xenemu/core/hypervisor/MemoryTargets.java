package io.xenemu.core.hypervisor;

import com.google.common.primitives.Longs;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;

/// How much memory a domain is to have, and may have at most. Its balloon driver learns the former from XenStore, and
/// gives memory up or takes it again. The nodes are in KiB, as libxl writes them (`tools/libs/light/libxl_mem.c`).
///
/// A domain never gets more than the RAM that it saw when it was made ([io.xenemu.core.domain.DomainConfig]): that much
/// is what its memory map shows, and what [MemoryAdmission] has kept for it. Xen allows more, for guests that plug
/// memory in.
///
/// The monitor is held over a change, so that XenStore and the account agree.
public final class MemoryTargets {
    private static final int KIB_SHIFT = 10;
    private static final int MIB_SHIFT = 20;

    private final XenStoreServer store;

    public MemoryTargets(XenStoreServer store) {
        this.store = store;
    }

    private interface Change {
        void apply(StoreView view, String memory) throws XenError, Refused;
    }

    /// Asks a domain to have so much memory, and lets it own no more than that and 1 MiB (`xl mem-set`). It gets there
    /// in its own time. The domain does not end meanwhile.
    ///
    /// @throws Refused if it is more than its maximum
    public synchronized void setTarget(Domain domain, long bytes) throws Refused {
        change(
                domain,
                (view, memory) -> {
                    long max = node(view, memory + "/static-max");
                    if (bytes >> KIB_SHIFT > max) {
                        throw new Refused(
                                "%s: %s are more than its maximum of %s"
                                        .formatted(
                                                name(domain), text(bytes), text(max << KIB_SHIFT)));
                    }
                    view.write(memory + "/target", Long.toString(bytes >> KIB_SHIFT));
                });
        domain.memory().setMax(bytes);
        domain.memory().ownUpTo(bytes);
    }

    /// Sets the most that a domain may be asked to have (`xl mem-max`). The domain does not end meanwhile.
    ///
    /// @throws Refused if it is less than the memory that the domain is to have, or more than it can ever have
    public synchronized void setMax(Domain domain, long bytes) throws Refused {
        long ever = domain.config().maxMemoryBytes();
        if (bytes > ever) {
            throw new Refused(
                    "%s: %s are more than it can ever have: it was made with a maxmem of %s"
                            .formatted(name(domain), text(bytes), text(ever)));
        }
        change(
                domain,
                (view, memory) -> {
                    long target = node(view, memory + "/target");
                    if (bytes >> KIB_SHIFT < target) {
                        throw new Refused(
                                "%s: %s are less than the %s that it is to have; mem-set changes that"
                                        .formatted(
                                                name(domain),
                                                text(bytes),
                                                text(target << KIB_SHIFT)));
                    }
                    view.write(memory + "/static-max", Long.toString(bytes >> KIB_SHIFT));
                });
        domain.memory().setMax(bytes);
    }

    /// The memory that a domain is to have, in bytes, as [#setTarget] or its creation said.
    ///
    /// @throws XenError what XenStore answers
    public long target(Domain domain) throws XenError {
        try (XenStoreClient client = store.client()) {
            Long kib = Longs.tryParse(client.read(directory(domain) + "/target"));
            if (kib == null) {
                throw XenError.EINVAL;
            }
            return kib << KIB_SHIFT;
        }
    }

    private void change(Domain domain, Change change) throws Refused {
        try (XenStoreClient client = store.client()) {
            StoreView view = client;
            change.apply(view, directory(domain));
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
    }

    private static long node(StoreView view, String path) throws XenError, Refused {
        String text = view.read(path);
        Long kib = Longs.tryParse(text);
        if (kib == null) {
            throw new Refused("XenStore has '%s' at %s".formatted(text, path));
        }
        return kib;
    }

    private static String directory(Domain domain) {
        return "/local/domain/" + domain.id().value() + "/memory";
    }

    private static String name(Domain domain) {
        return domain.config().name();
    }

    private static String text(long bytes) {
        long kib = bytes >> KIB_SHIFT;
        return kib % 1024 == 0 ? (bytes >> MIB_SHIFT) + " MiB" : kib + " KiB";
    }
}
