package io.xenemu.core.hypervisor;

import com.google.common.primitives.Longs;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainObserver;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

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

    /// A change of a domain's nodes, in a transaction.
    private interface Change {
        /// @param memory the directory of the nodes
        /// @return the reason for which there is no change, or empty
        /// @throws XenError the error that XenStore answers
        Optional<String> apply(StoreView view, String memory) throws XenError;
    }

    /// Sets a domain's target, and lets it own no more than that and 1 MiB (`xl mem-set`). The guest reaches the target
    /// in its own time.
    ///
    /// @throws Refused if it is more than its maximum, or the domain is ending
    public synchronized void setTarget(Domain domain, long bytes) throws Refused {
        change(
                domain,
                (view, memory) -> {
                    Long max = kib(view, memory + "/static-max");
                    if (max == null) {
                        return noNumber(memory + "/static-max");
                    }
                    if (bytes >> KIB_SHIFT > max) {
                        return Optional.of(
                                "%s are more than its maximum of %s"
                                        .formatted(text(bytes), text(max << KIB_SHIFT)));
                    }
                    view.write(memory + "/target", Long.toString(bytes >> KIB_SHIFT));
                    return Optional.empty();
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

    /// Sets the maximum of a domain's target (`xl mem-max`).
    ///
    /// @throws Refused if it is less than the target, or more than the domain can ever have, or the domain is ending
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
                    Long target = kib(view, memory + "/target");
                    if (target == null) {
                        return noNumber(memory + "/target");
                    }
                    if (bytes >> KIB_SHIFT < target) {
                        return Optional.of(
                                "%s are less than the %s that it is to have; mem-set changes that"
                                        .formatted(text(bytes), text(target << KIB_SHIFT)));
                    }
                    view.write(memory + "/static-max", Long.toString(bytes >> KIB_SHIFT));
                    return Optional.empty();
                });
        domain.memory().setMax(bytes);
        tell(domain, bytes, false);
    }

    /// A domain's target in bytes, as [#setTarget] or the domain's creation set it.
    ///
    /// @throws XenError the error that XenStore answers
    public long target(Domain domain) throws XenError {
        try (XenStoreClient client = store.client()) {
            Long kib = kib(client, directory(domain) + "/target");
            if (kib == null) {
                throw XenError.EINVAL;
            }
            return kib << KIB_SHIFT;
        }
    }

    /// In one transaction: a domain that ends meanwhile has no nodes afterwards.
    private void change(Domain domain, Change change) throws Refused {
        Optional<String> reason;
        try (XenStoreClient client = store.client()) {
            reason = client.transaction(view -> change.apply(view, directory(domain)));
        } catch (XenError e) {
            throw Refused.byXenStore(name(domain), e);
        }
        if (reason.isPresent()) {
            throw new Refused(name(domain) + ": " + reason.get());
        }
    }

    /// The number in a node; null if it has none.
    private static @Nullable Long kib(StoreView view, String path) throws XenError {
        return Longs.tryParse(view.read(path));
    }

    private static Optional<String> noNumber(String path) {
        return Optional.of("XenStore has no number at " + path);
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
