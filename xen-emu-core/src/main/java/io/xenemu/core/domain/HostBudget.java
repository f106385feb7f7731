package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.abi.KvmException;

/// The account of something that the host lets a process have only so many of, and without which it cannot live: each domain has
/// a share. Any thread may use it.
///
/// A domain is given at its start what it needs at least, or it is refused. What it takes at its guest's wish beyond that it
/// takes from what is left, and no more than it leaves to others.
public final class HostBudget {
    private final String resource;
    private final String call;
    private final int errno;
    private final String where;
    private final long limit;

    @GuardedBy("this")
    private long charged;

    /// @param resource what it is, in the plural, for meters and messages
    /// @param call the system call that fails without it
    /// @param errno what that call fails with
    /// @param where the host's limit comes from
    /// @param limit how many all domains may have together
    public HostBudget(String resource, String call, int errno, String where, long limit) {
        this.resource = resource;
        this.call = call;
        this.errno = errno;
        this.where = where;
        this.limit = limit;
    }

    /// Registers what an operator sees of it.
    void register(MeterRegistry registry) {
        Gauge.builder("xen.host.limit", this, budget -> budget.limit)
                .description("How many of the process's resources all domains may have")
                .tag("resource", resource)
                .register(registry);
        Gauge.builder("xen.host.charged", this, HostBudget::charged)
                .description("How many of them domains have, or have been promised")
                .tag("resource", resource)
                .register(registry);
    }

    /// How many are given out, or kept for whom they were promised.
    synchronized long charged() {
        return charged;
    }

    /// Gives a new domain its share.
    ///
    /// @param base how many it has from its start to its end
    /// @param promised how many it may take beside these in any case
    /// @throws KvmException if there are not so many left
    synchronized Share open(long base, long promised) {
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

    /// What a domain has. Any thread may use it.
    final class Share implements AutoCloseable {
        /// What the domain may have without asking again.
        private final long promised;

        /// What it has taken beside its base.
        @GuardedBy("HostBudget.this")
        private long taken;

        /// What the budget is charged with for it.
        @GuardedBy("HostBudget.this")
        private long held;

        @GuardedBy("HostBudget.this")
        private boolean ended;

        private Share(long base, long promised) {
            this.promised = promised;
            held = base + promised;
        }

        /// Takes some at the guest's wish.
        ///
        /// @return false if the domain may have no more; then nothing has happened
        boolean take(long count) {
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
        void give(long count) {
            synchronized (HostBudget.this) {
                if (ended) {
                    return;
                }
                long had = Math.max(0, taken - promised);
                taken -= count;
                charge(Math.max(0, taken - promised) - had);
            }
        }

        /// The guest has ended, and only so many are left of all it had.
        void shrink(long left) {
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

        /// What the budget is charged with for it.
        long held() {
            synchronized (HostBudget.this) {
                return held;
            }
        }

        /// Nothing is left.
        @Override
        public void close() {
            shrink(0);
        }
    }
}
