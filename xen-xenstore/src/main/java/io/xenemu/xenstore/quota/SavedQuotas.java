package io.xenemu.xenstore.quota;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.state.XenStoreState.QuotaState;
import java.util.ArrayList;
import java.util.List;

/// Quotas in saved state: those that differ from every store's defaults or from this store's. Quotas of another daemon
/// that this one does not know are kept for the next one.
public final class SavedQuotas {
    private SavedQuotas() {}

    /// The limits to save.
    ///
    /// @param others the domains' default limits in the saved store
    /// @param foreign limits of another daemon, which are saved as they are
    public static List<QuotaState> of(Quotas quotas, Quotas others, List<QuotaState> foreign) {
        List<QuotaState> saved = new ArrayList<>();
        for (Quota quota : Quota.all()) {
            int limit = quotas.limit(quota);
            if (limit != Quotas.DEFAULT.limit(quota) || limit != others.limit(quota)) {
                saved.add(new QuotaState(quota.text(), limit, false));
            }
        }
        saved.addAll(foreign);
        return saved;
    }

    /// Checks saved limits.
    ///
    /// @throws XenError EINVAL for an impossible limit
    public static void check(List<QuotaState> saved) throws XenError {
        for (QuotaState quota : saved) {
            if (isOwn(quota) && quota.value() < 0) {
                throw XenError.EINVAL;
            }
        }
    }

    /// The limits that were saved.
    ///
    /// @param others the limits that are not in the saved state
    public static Quotas restore(Quotas others, List<QuotaState> saved) {
        Quotas quotas = others;
        for (QuotaState each : saved) {
            Quota quota = each.global() ? null : Quota.named(each.name());
            if (quota != null) {
                quotas = quotas.with(quota, each.value());
            }
        }
        return quotas;
    }

    /// The saved limits that this store does not know.
    public static List<QuotaState> foreign(List<QuotaState> saved) {
        return saved.stream().filter(quota -> !isOwn(quota)).toList();
    }

    private static boolean isOwn(QuotaState quota) {
        return !quota.global() && Quota.named(quota.name()) != null;
    }
}
