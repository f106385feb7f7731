package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// Random grants, mappings and revocations, against a model of lists.
final class GrantTablePropertyTest {
    private static final int REFS = 4;

    enum Kind {
        GRANT,
        MAP,
        UNMAP,
        REVOKE
    }

    record Step(Kind kind, int ref, int domain, int gfn, boolean readOnly) {}

    /// What the guest has written, and who maps it how.
    private static final class ModelEntry {
        boolean granted;
        boolean readOnly;
        int domain;
        int gfn;
        final List<Live> live = new ArrayList<>();
    }

    private record Live(int domain, int gfn, boolean readOnly, GrantMapping mapping) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        Arbitraries.of(Kind.values()),
                        Arbitraries.integers().between(0, REFS - 1),
                        Arbitraries.integers().between(0, 1),
                        Arbitraries.integers()
                                .between(FakeDomain.RAM_PAGES - 3, FakeDomain.RAM_PAGES),
                        Arbitraries.of(true, false))
                .as(Step::new)
                .list()
                .ofMaxSize(80);
    }

    @Property(tries = 300)
    void agreesWithTheModel(@ForAll("steps") List<Step> steps) {
        try (Arena arena = Arena.ofConfined()) {
            FakeDomain domain = new FakeDomain(arena, 1);
            List<ModelEntry> model = new ArrayList<>();
            for (int i = 0; i < REFS; i++) {
                model.add(new ModelEntry());
            }
            for (Step step : steps) {
                apply(step, domain, model.get(step.ref()));
                for (int i = 0; i < REFS; i++) {
                    assertEquals(flags(model.get(i)), domain.flags(i), step::toString);
                }
            }
        }
    }

    private static void apply(Step step, FakeDomain domain, ModelEntry entry) {
        switch (step.kind()) {
            case GRANT -> {
                if (entry.live.isEmpty()) {
                    int readOnly = step.readOnly() ? GrantFrame.READONLY : 0;
                    domain.grant(
                            step.ref(),
                            GrantFrame.PERMIT_ACCESS | readOnly,
                            new DomId(step.domain()),
                            step.gfn());
                    entry.granted = true;
                    entry.readOnly = step.readOnly();
                    entry.domain = step.domain();
                    entry.gfn = step.gfn();
                }
            }
            case MAP -> map(step, domain, entry);
            case UNMAP -> {
                if (!entry.live.isEmpty()) {
                    Live first = entry.live.removeFirst();
                    assertEquals(GrantStatus.OKAY, domain.table.unmap(first.mapping()));
                }
            }
            case REVOKE -> {
                assertEquals(entry.live.isEmpty(), domain.revoke(step.ref()), step::toString);
                entry.granted &= !entry.live.isEmpty();
            }
        }
    }

    private static void map(Step step, FakeDomain domain, ModelEntry entry) {
        GrantMapping mapping = new GrantMapping();
        DomId by = new DomId(step.domain());
        boolean allowed =
                entry.granted
                        && entry.domain == step.domain()
                        && (step.readOnly() || !entry.readOnly);
        GrantStatus expected =
                !allowed
                        ? GrantStatus.GENERAL_ERROR
                        : entry.gfn >= FakeDomain.RAM_PAGES
                                ? GrantStatus.BAD_PAGE
                                : GrantStatus.OKAY;
        GrantStatus actual =
                domain.table.map(new GrantRef(step.ref()), by, step.readOnly(), mapping);
        assertEquals(expected, actual, step::toString);
        if (actual == GrantStatus.OKAY) {
            assertEquals(
                    domain.ram.address() + (long) entry.gfn * GuestMemory.PAGE_SIZE,
                    mapping.page().address());
            entry.live.add(new Live(step.domain(), entry.gfn, step.readOnly(), mapping));
        }
    }

    private static int flags(ModelEntry entry) {
        if (!entry.granted) {
            return 0;
        }
        int flags = GrantFrame.PERMIT_ACCESS | (entry.readOnly ? GrantFrame.READONLY : 0);
        for (Live live : entry.live) {
            flags |= GrantFrame.READING | (live.readOnly() ? 0 : GrantFrame.WRITING);
        }
        return flags;
    }

    /// The guest revokes and grants again as fast as it can, each time another page. A mapping always is of a page that
    /// was granted at its time, and as long as it lasts the guest cannot revoke it.
    @Test
    void aRevocationInFlightLeavesNoMappingBehind() throws InterruptedException {
        try (Arena arena = Arena.ofShared()) {
            FakeDomain domain = new FakeDomain(arena, 1);
            AtomicBoolean done = new AtomicBoolean();
            Thread guest =
                    new Thread(() -> {
                        int gfn = 0;
                        while (!done.get()) {
                            if (domain.revoke(9)) {
                                gfn = (gfn + 1) % FakeDomain.RAM_PAGES;
                                domain.grant(9, GrantFrame.PERMIT_ACCESS, DomId.DOM0, gfn);
                            }
                        }
                    });
            guest.start();
            try {
                mapAndCheck(domain);
            } finally {
                done.set(true);
                guest.join();
            }
        }
    }

    private static void mapAndCheck(FakeDomain domain) {
        GrantMapping mapping = new GrantMapping();
        GrantRef ref = new GrantRef(9);
        int mapped = 0;
        for (int i = 0; i < 50_000 || mapped == 0; i++) {
            GrantStatus status = domain.table.map(ref, DomId.DOM0, (i & 1) != 0, mapping);
            if (status == GrantStatus.OKAY) {
                mapped++;
                int flags = domain.flags(9);
                assertNotEquals(0, flags & GrantFrame.READING, "mapped without its flag");
                assertEquals(GrantFrame.PERMIT_ACCESS, flags & GrantFrame.TYPE_MASK);
                long offset = mapping.page().address() - domain.ram.address();
                assertEquals(0, offset % GuestMemory.PAGE_SIZE);
                domain.table.unmap(mapping);
            } else {
                assertEquals(GrantStatus.GENERAL_ERROR, status);
                assertEquals(false, mapping.isMapped());
            }
        }
    }
}
