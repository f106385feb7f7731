package io.xenemu.core.host;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.abi.KvmException;

/// The account of a resource that the host limits per process, and that the process needs to live. Each domain has a
/// share. Any thread may use it.
///
/// A domain gets at its start the least that it needs, or is refused. What its guest makes it take beyond that comes
/// from the rest, as far as enough is left for others.
public final class HostBudget {
    private final String resource;
    private final String call;
    private final int errno;
    private final String where;
    private final long limit;

    @GuardedBy("this")
    private long charged;

    /// @param resource its name in the plural, for meters and messages
    /// @param call the system call that fails without it
    /// @param errno that call's error
    /// @param where the source of the host's limit
    /// @param limit the most that all domains may have together
    public HostBudget(String resource, String call, int errno, String where, long limit) {
        this.resource = resource;
        this.call = call;
        this.errno = errno;
        this.where = where;
        this.limit = limit;
    }

    /// Registers the gauges.
    public void register(MeterRegistry registry) {
        Gauge.builder("xen.host.limit", this, budget -> budget.limit)
                .description("The most of the process's resource that all domains may have")
                .tag("resource", resource)
                .register(registry);
        Gauge.builder("xen.host.charged", this, HostBudget::charged)
                .description("The amount that domains have, or have been promised")
                .tag("resource", resource)
                .register(registry);
    }

    /// The amount given out or promised.
    public synchronized long charged() {
        return charged;
    }

    /// Opens a new domain's share.
    ///
    /// @param base the amount it has from its start to its end
    /// @param promised the amount that it may always take in addition
    /// @throws KvmException if that much is not left
    public synchronized Share open(long base, long promised) {
        long needed = base + promised;
        if (needed > limit - charged) {
            throw new KvmException(
                    call,
                    errno,
                    "a guest needs %d %s and %d are left (%s)"
                            .formatted(needed, resource, limit - charged, where));
        }
        charged += needed;
        return new Share(base, promised);
    }

    /// A domain's share. Any thread may use it.
    public final class Share implements AutoCloseable {
        /// The amount that the domain may take without asking again.
        private final long promised;

        /// The amount taken, without the base.
        @GuardedBy("HostBudget.this")
        private long taken;

        /// The amount that the budget is charged for this share.
        @GuardedBy("HostBudget.this")
        private long held;

        @GuardedBy("HostBudget.this")
        private boolean ended;

        private Share(long base, long promised) {
            this.promised = promised;
            held = base + promised;
        }

        /// Takes some, for the guest.
        ///
        /// @return false if the domain may have no more; then nothing has happened
        public boolean take(long count) {
            synchronized (HostBudget.this) {
                long had = Math.max(0, taken - promised);
                long more = Math.max(0, taken + count - promised) - had;
                if (ended || (more > 0 && had + more > limit - charged)) {
                    return false;
                }
                taken += count;
                charge(more);
                return true;
            }
        }

        /// Gives some back.
        public void give(long count) {
            synchronized (HostBudget.this) {
                if (ended) {
                    return;
                }
                long had = Math.max(0, taken - promised);
                taken -= count;
                charge(Math.max(0, taken - promised) - had);
            }
        }

        /// Notes that the guest has ended, and that only `left` of all that it had is still in use.
        public void shrink(long left) {
            synchronized (HostBudget.this) {
                ended = true;
                charge(left - held);
            }
        }

        @GuardedBy("HostBudget.this")
        private void charge(long more) {
            charged += more;
            held += more;
        }

        /// The amount that the budget is charged for this share.
        public long held() {
            synchronized (HostBudget.this) {
                return held;
            }
        }

        /// Gives everything back.
        @Override
        public void close() {
            shrink(0);
        }
    }
}
