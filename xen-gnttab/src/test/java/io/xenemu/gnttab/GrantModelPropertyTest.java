package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.statistics.Statistics;

/// Random lives of three domains that grant, revoke, map, copy, change versions, die and come again, against
/// [GrantModel]. Guests write into entries whenever they like, in use or not.
final class GrantModelPropertyTest {
    private static final int HOST_MAP = 2;
    private static final int READONLY = 4;
    private static final List<Long> SLOTS = List.of(2L, 20L, 21L);

    enum Kind {
        GRANT,
        REVOKE,
        MAP,
        UNMAP,
        COPY,
        SET_VERSION,
        KILL
    }

    /// @param aimed whether the step is made to fit what there is, rather than left to chance
    record Step(
            Kind kind,
            int actor,
            int other,
            int ref,
            boolean flag,
            boolean aimed,
            int number,
            GrantModel.Kind grant) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Kind> kinds =
                Arbitraries.frequency(
                        Tuple.of(20, Kind.GRANT),
                        Tuple.of(5, Kind.REVOKE),
                        Tuple.of(20, Kind.MAP),
                        Tuple.of(20, Kind.UNMAP),
                        Tuple.of(20, Kind.COPY),
                        Tuple.of(2, Kind.SET_VERSION),
                        Tuple.of(1, Kind.KILL));
        Arbitrary<GrantModel.Kind> grants =
                Arbitraries.frequency(
                        Tuple.of(6, GrantModel.Kind.PAGE),
                        Tuple.of(1, GrantModel.Kind.PART),
                        Tuple.of(1, GrantModel.Kind.OTHER_PART),
                        Tuple.of(3, GrantModel.Kind.TRANSITIVE));
        Arbitrary<Integer> ids = Arbitraries.integers().between(1, 3);
        Arbitrary<Integer> refs =
                Arbitraries.integers()
                        .between(GrantModel.FIRST_REF, GrantModel.FIRST_REF + GrantModel.REFS - 1);
        // One page is where others' pages may come to be; one number in six is of no page.
        Arbitrary<Integer> numbers = Arbitraries.of(1, 2, 3, 4, 5, FakeDomain.RAM_PAGES);
        return Combinators.combine(
                        kinds,
                        ids,
                        ids,
                        refs,
                        Arbitraries.of(true, false),
                        Arbitraries.of(true, true, false),
                        numbers,
                        grants)
                .as(Step::new)
                .list()
                .ofSize(150);
    }

    @Property(tries = 400, edgeCases = EdgeCasesMode.NONE)
    void agreesWithTheModel(@ForAll("steps") List<Step> steps) throws XenError {
        try (FakeDomains domains = new FakeDomains()) {
            GrantModel model = new GrantModel();
            for (int id = 1; id <= 3; id++) {
                add(domains, model, id);
            }
            for (Step step : steps) {
                apply(step, domains, model);
                compare(step, model);
            }
        }
        // What is compared has to come about.
        for (Kind kind : List.of(Kind.MAP, Kind.UNMAP, Kind.COPY)) {
            Statistics.label(kind.name())
                    .coverage(seen -> seen.check(GrantStatus.OKAY).percentage(part -> part > 8));
        }
        Statistics.label("transitive")
                .coverage(seen -> seen.check(GrantStatus.OKAY).count(count -> count > 10));
    }

    private static void add(FakeDomains domains, GrantModel model, int id) {
        FakeDomain fake = domains.add(id, new GrantLimits(1, 1, 2));
        GrantModel.Domain domain = model.add(fake);
        for (int gfn = 0; gfn < FakeDomain.RAM_PAGES; gfn++) {
            int word = 1000 * model.all.size() + gfn;
            fake.setWord(gfn, word);
            domain.words[gfn] = word;
        }
    }

    private static void apply(Step step, FakeDomains domains, GrantModel model) throws XenError {
        GrantModel.Domain actor = model.byId.get(step.actor());
        if (actor == null) {
            add(domains, model, step.actor());
            return;
        }
        switch (step.kind()) {
            case GRANT -> grant(step, model, actor);
            case REVOKE -> model.write(actor, step.ref(), GrantModel.NOTHING);
            case MAP -> map(step, model, actor);
            case UNMAP -> unmap(step, model, actor);
            case COPY -> copy(step, model, actor);
            case SET_VERSION -> setVersion(step, model, actor);
            case KILL -> {
                domains.kill(actor.fake);
                model.kill(actor);
            }
        }
    }

    /// An entry: one that grants `actor` something if the step aims at that and there is one.
    private static Target target(Step step, GrantModel model, GrantModel.Domain actor) {
        List<Target> targets = new ArrayList<>();
        for (GrantModel.Domain domain : model.byId.values()) {
            for (int i = 0; i < GrantModel.REFS; i++) {
                if (domain.grants[i].to() == actor.id()) {
                    targets.add(new Target(domain, GrantModel.FIRST_REF + i));
                }
            }
        }
        return step.aimed() && !targets.isEmpty()
                ? targets.get((step.number() + step.ref() + step.other()) % targets.size())
                : new Target(find(model, step.other()), step.ref());
    }

    private record Target(GrantModel.Domain granter, int ref) {}

    /// The domain of an id, or the last one that had it.
    private static GrantModel.Domain find(GrantModel model, int id) {
        return model.all.stream().filter(domain -> domain.id() == id).toList().getLast();
    }

    private static void grant(Step step, GrantModel model, GrantModel.Domain actor) {
        boolean used = !model.uses(actor, step.ref()).isEmpty();
        // An entry in use that turns transitive stays as it is; what a copy is told then has no
        // counterpart in the model.
        boolean transitive = step.grant() == GrantModel.Kind.TRANSITIVE && !used;
        GrantModel.Kind kind = used ? GrantModel.Kind.PAGE : step.grant();
        Target behind = target(step, model, actor);
        GrantModel.Grant grant =
                new GrantModel.Grant(
                        kind,
                        step.other(),
                        step.flag() && !step.aimed(),
                        transitive ? behind.ref() : step.number(),
                        behind.granter().id());
        model.write(actor, step.ref(), grant);
    }

    private static void map(Step step, GrantModel model, GrantModel.Domain actor) {
        Target target = target(step, model, actor);
        GrantModel.Domain granter = target.granter();
        long slot = SLOTS.get(step.number() % SLOTS.size());
        MapResult result = new MapResult();
        GrantStatus expected = model.map(actor, granter, target.ref(), step.flag(), slot);
        GrantStatus actual =
                MapResult.map(
                        actor.fake.table,
                        slot << 12,
                        HOST_MAP | (step.flag() ? READONLY : 0),
                        target.ref(),
                        granter.fake.id,
                        result);
        assertSame(expected, actual, step::toString);
        Statistics.label(Kind.MAP.name()).collect(actual);
        if (actual == GrantStatus.OKAY) {
            model.mapped(actor, granter, target.ref(), step.flag(), slot, result.handle());
        }
    }

    private static void unmap(Step step, GrantModel model, GrantModel.Domain actor) {
        long slot = SLOTS.get(step.number() % SLOTS.size());
        int handle = step.ref() - GrantModel.FIRST_REF;
        for (GrantModel.Live mapping : step.aimed() ? model.live : List.<GrantModel.Live>of()) {
            if (mapping.mapper() == actor) {
                long mfn = GrantModel.mfn(mapping.granter(), mapping.gfn());
                handle = mapping.handle();
                // The page may be at another address too.
                slot =
                        SLOTS.stream()
                                .filter(_ -> step.flag())
                                .filter(at -> Objects.equals(actor.placed.get(at), mfn))
                                .findFirst()
                                .orElse(mapping.slot());
            }
        }
        GrantStatus expected = model.unmap(actor, handle, slot);
        GrantStatus actual = MapResult.unmap(actor.fake.table, slot << 12, handle);
        assertSame(expected, actual, step::toString);
        Statistics.label(Kind.UNMAP.name()).collect(actual);
    }

    private static void copy(Step step, GrantModel model, GrantModel.Domain actor) {
        Target target = target(step, model, actor);
        GrantModel.Domain granter = target.granter();
        GrantModel.Kind kind = granter.grants[target.ref() - GrantModel.FIRST_REF].kind();
        GrantCopy copy = actor.fake.table.newCopy();
        if (step.flag()) {
            copy.from(DomId.SELF, false, step.number(), 0);
            copy.to(granter.fake.id, true, target.ref(), 0);
        } else {
            copy.from(granter.fake.id, true, target.ref(), 0);
            copy.to(DomId.SELF, false, step.number(), 0);
        }
        GrantStatus expected = model.copy(actor, granter, target.ref(), step.number(), step.flag());
        GrantStatus actual = copy.run(4);
        assertSame(expected, actual, step::toString);
        Statistics.label(Kind.COPY.name()).collect(actual);
        if (kind == GrantModel.Kind.TRANSITIVE && granter.version == 2) {
            Statistics.label("transitive").collect(actual);
        }
    }

    private static void setVersion(Step step, GrantModel model, GrantModel.Domain actor)
            throws XenError {
        int version = step.flag() || step.aimed() ? 2 : 1;
        if (model.setVersion(actor, version)) {
            actor.fake.table.setVersion(version);
        } else {
            assertSame(
                    XenError.EBUSY,
                    assertThrows(XenError.class, () -> actor.fake.table.setVersion(version)));
        }
    }

    /// Everything that any domain can see, and what the service holds on to.
    private static void compare(Step step, GrantModel model) {
        for (GrantModel.Domain domain : model.all) {
            for (int gfn = 0; gfn < FakeDomain.RAM_PAGES; gfn++) {
                assertEquals(domain.words[gfn], domain.fake.word(gfn), step::toString);
                boolean pinned = isPinned(model, domain, gfn);
                long mfn = GrantModel.mfn(domain, gfn);
                assertEquals(pinned, domain.fake.table.isPinned(mfn), step::toString);
            }
            boolean used = model.live.stream().anyMatch(use -> use.granter() == domain);
            assertEquals(domain.dead && !used, domain.fake.released, step::toString);
            assertEquals(domain.dead ? inUse(model, domain) : Set.of(), domain.fake.held);
            assertEquals(domain.placed.keySet(), domain.fake.placed.keySet(), step::toString);
            domain.placed.forEach((gfn, mfn) -> assertEquals(mfn, domain.fake.placedAt(gfn).mfn()));
            for (int i = 0; i < GrantModel.REFS && !domain.dead; i++) {
                compareFlags(step, model, domain, GrantModel.FIRST_REF + i);
            }
        }
    }

    /// In version 1 a guest that writes into an entry in use takes the flags away itself.
    private static void compareFlags(
            Step step, GrantModel model, GrantModel.Domain domain, int ref) {
        int expected = model.inUse(domain, ref);
        int actual = domain.fake.inUse(ref);
        if (domain.version == 2 || expected == 0) {
            assertEquals(expected, actual, step::toString);
        } else {
            assertEquals(0, actual & ~expected, step::toString);
        }
    }

    private static Set<Long> inUse(GrantModel model, GrantModel.Domain domain) {
        return model.live.stream()
                .filter(use -> use.granter() == domain)
                .map(use -> GrantModel.mfn(domain, use.gfn()))
                .collect(Collectors.toSet());
    }

    private static boolean isPinned(GrantModel model, GrantModel.Domain domain, int gfn) {
        return model.live.stream().anyMatch(use -> use.granter() == domain && use.gfn() == gfn);
    }
}
