package io.xenemu.core.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Domains take and give any amounts. The charge is the sum of their shares and within the limit, and no domain is
/// refused its promised amount.
final class HostBudgetPropertyTest {
    private static final long LIMIT = 200;

    enum Kind {
        OPEN,
        TAKE,
        GIVE,
        CLOSE
    }

    record Step(Kind kind, int domain, int count) {}

    private record Domain(HostBudget.Share share, long promised, AtomicLong taken) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        Arbitraries.of(Kind.class),
                        Arbitraries.integers().between(0, 7),
                        Arbitraries.integers().between(1, 40))
                .as(Step::new)
                .list()
                .ofMaxSize(60);
    }

    @Property
    void aShareCannotTakeAnothers(@ForAll("steps") List<Step> steps) {
        HostBudget budget = new HostBudget("mappings", "mmap", Errno.ENOMEM, "", LIMIT);
        List<Domain> domains = new ArrayList<>();
        for (Step step : steps) {
            apply(step, budget, domains);
            long sum = domains.stream().mapToLong(domain -> domain.share.held()).sum();
            assertEquals(sum, budget.charged());
            assertTrue(sum <= LIMIT, step::toString);
        }
        domains.forEach(domain -> domain.share.close());
        assertEquals(0, budget.charged());
    }

    private static void apply(Step step, HostBudget budget, List<Domain> domains) {
        if (step.kind == Kind.OPEN || domains.isEmpty()) {
            long left = LIMIT - budget.charged();
            try {
                HostBudget.Share share = budget.open(1, step.count);
                domains.add(new Domain(share, step.count, new AtomicLong()));
                assertTrue(step.count < left);
            } catch (KvmException e) {
                assertTrue(step.count >= left);
            }
            return;
        }
        Domain domain = domains.get(step.domain % domains.size());
        switch (step.kind) {
            case TAKE -> {
                boolean taken = domain.share.take(step.count);
                assertTrue(taken || domain.taken.get() + step.count > domain.promised);
                domain.taken.addAndGet(taken ? step.count : 0);
            }
            case GIVE -> {
                long given = Math.min(step.count, domain.taken.get());
                domain.share.give(given);
                domain.taken.addAndGet(-given);
            }
            case CLOSE -> {
                domain.share.close();
                domains.remove(domain);
            }
            case OPEN -> throw new AssertionError();
        }
    }
}
