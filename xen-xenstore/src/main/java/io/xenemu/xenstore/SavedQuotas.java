package io.xenemu.xenstore;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreState.QuotaState;
import java.util.ArrayList;
import java.util.List;

/// Quotas in saved state: those that are not what every store has by default, or not what this store gives to others, and
/// those of another daemon that this one does not know and keeps for the next.
final class SavedQuotas {
    private SavedQuotas() {}

    /// @param others what domains have by default where these are saved
    static List<QuotaState> of(Quotas quotas, Quotas others, List<QuotaState> foreign) {
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

    /// @throws XenError EINVAL for a limit that cannot be one
    static void check(List<QuotaState> saved) throws XenError {
        for (QuotaState quota : saved) {
            if (isOwn(quota) && quota.value() < 0) {
                throw XenError.EINVAL;
            }
        }
    }

    /// @param others the limits that are not told
    static Quotas restore(Quotas others, List<QuotaState> saved) {
        Quotas quotas = others;
        for (QuotaState each : saved) {
            Quota quota = each.global() ? null : Quota.named(each.name());
            if (quota != null) {
                quotas = quotas.with(quota, each.value());
            }
        }
        return quotas;
    }

    static List<QuotaState> foreign(List<QuotaState> saved) {
        return saved.stream().filter(quota -> !isOwn(quota)).toList();
    }

    private static boolean isOwn(QuotaState quota) {
        return !quota.global() && Quota.named(quota.name()) != null;
    }
}
