package io.xenemu.core.hypervisor;

import com.google.common.primitives.Longs;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;

/// The memory target of each domain, and its maximum. The guest's balloon driver reads the target in XenStore, and
/// gives up memory or takes it back until it is reached. The nodes are in KiB, as libxl writes them
/// (`tools/libs/light/libxl_mem.c`).
///
/// A domain never gets more RAM than it was made with ([io.xenemu.core.domain.DomainConfig]). Its memory map shows that
/// much, and [MemoryAdmission] has reserved that much. Xen allows more, for guests with memory hotplug.
///
/// The monitor is held over a change, so that XenStore and the domain's own limit agree.
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

    /// Sets a domain's target, and lets it own no more than that and 1 MiB (`xl mem-set`). The guest reaches the target
    /// in its own time. The caller keeps the domain from ending meanwhile.
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
        tell(domain, bytes, true);
    }

    private static void tell(Domain domain, long bytes, boolean isTarget) {
        DomainObserver observer = domain.observer();
        if (observer != null) {
            observer.memoryChanged(bytes, isTarget);
        }
    }

    /// Sets the maximum of a domain's target (`xl mem-max`). The caller keeps the domain from ending meanwhile.
    ///
    /// @throws Refused if it is less than the target, or more than the domain can ever have
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
        tell(domain, bytes, false);
    }

    /// A domain's target in bytes, as [#setTarget] or the domain's creation set it.
    ///
    /// @throws XenError the error that XenStore answers
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
