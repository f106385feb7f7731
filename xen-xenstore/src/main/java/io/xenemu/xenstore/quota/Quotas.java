package io.xenemu.xenstore.quota;

import java.util.EnumMap;
import java.util.Objects;
import java.util.stream.Collectors;

/// A limit for each [Quota]; 0 is none. Immutable. Domain 0 has none of these limits.
public final class Quotas {
    /// C xenstored's limits.
    public static final Quotas DEFAULT = standard();

    private final EnumMap<Quota, Integer> limits;

    private Quotas(EnumMap<Quota, Integer> limits) {
        this.limits = limits;
    }

    private static Quotas standard() {
        EnumMap<Quota, Integer> limits = new EnumMap<>(Quota.class);
        Quota.all().forEach(quota -> limits.put(quota, quota.standard()));
        return new Quotas(limits);
    }

    /// The limit, or 0 for none.
    public int limit(Quota quota) {
        return Objects.requireNonNull(limits.get(quota));
    }

    /// The same limits, with another one for this quota.
    ///
    /// @param limit 0 for none
    /// @throws IllegalArgumentException if it is negative
    public Quotas with(Quota quota, int limit) {
        if (limit < 0) {
            throw new IllegalArgumentException("negative quota " + quota.text() + ": " + limit);
        }
        EnumMap<Quota, Integer> copy = new EnumMap<>(limits);
        copy.put(quota, limit);
        return new Quotas(copy);
    }

    /// Whether `value` is within the limit.
    public boolean allows(Quota quota, long value) {
        int limit = limit(quota);
        return value <= limit || limit == 0;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Quotas q && limits.equals(q.limits);
    }

    @Override
    public int hashCode() {
        return limits.hashCode();
    }

    @Override
    public String toString() {
        return Quota.all().stream()
                .map(quota -> quota.text() + "=" + limit(quota))
                .collect(Collectors.joining(" "));
    }
}
