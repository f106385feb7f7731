package io.xenemu.gnttab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Random lives of three domains that grant, revoke, map, copy, change versions, die and come again, against [GrantModel].
/// Guests write into entries whenever they like, in use or not.
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

    record Step(
            Kind kind,
            int actor,
            int other,
            int ref,
            boolean flag,
            boolean otherFlag,
            int number,
            GrantModel.Kind grant) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Kind> kinds =
                Arbitraries.of(
                        Kind.GRANT,
                        Kind.GRANT,
                        Kind.GRANT,
                        Kind.REVOKE,
                        Kind.MAP,
                        Kind.MAP,
                        Kind.MAP,
                        Kind.UNMAP,
                        Kind.UNMAP,
                        Kind.COPY,
                        Kind.COPY,
                        Kind.COPY,
                        Kind.SET_VERSION,
                        Kind.KILL);
        Arbitrary<Integer> ids = Arbitraries.integers().between(1, 3);
        Arbitrary<Integer> refs =
                Arbitraries.integers()
                        .between(GrantModel.FIRST_REF, GrantModel.FIRST_REF + GrantModel.REFS - 1);
        Arbitrary<Boolean> flags = Arbitraries.of(true, false);
        // Two pages in three are RAM; two of them are where others' pages may come to be.
        Arbitrary<Integer> numbers = Arbitraries.of(1, 2, 3, FakeDomain.RAM_PAGES);
        return Combinators.combine(
                        kinds,
                        ids,
                        ids,
                        refs,
                        flags,
                        flags,
                        numbers,
                        Arbitraries.of(GrantModel.Kind.values()))
                .as(Step::new)
                .list()
                .ofMaxSize(120);
    }

    @Property(tries = 500)
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
            if (step.kind() == Kind.KILL) {
                add(domains, model, step.actor());
            }
            return;
        }
        GrantModel.Domain other = find(model, step.other());
        switch (step.kind()) {
            case GRANT -> grant(step, model, actor);
            case REVOKE -> model.write(actor, step.ref(), GrantModel.NOTHING);
            case MAP -> map(step, model, actor, other);
            case UNMAP -> unmap(step, model, actor);
            case COPY -> copy(step, model, actor, other);
            case SET_VERSION -> setVersion(step, model, actor);
            case KILL -> {
                domains.kill(actor.fake);
                model.kill(actor);
            }
        }
    }

    /// The domain of an id, or the last one that had it.
    private static GrantModel.Domain find(GrantModel model, int id) {
        return model.all.stream().filter(domain -> domain.id() == id).toList().getLast();
    }

    private static void grant(Step step, GrantModel model, GrantModel.Domain actor) {
        boolean used = !model.uses(actor, step.ref()).isEmpty();
        boolean transitive = step.grant() == GrantModel.Kind.TRANSITIVE;
        // An entry in use that turns transitive stays as it is; what a copy is told then has no
        // counterpart in the model.
        GrantModel.Kind kind = used && transitive ? GrantModel.Kind.PAGE : step.grant();
        long gfn = transitive && !used ? GrantModel.FIRST_REF + step.number() % 3 : step.number();
        int behind = step.number() % 3 + 1;
        GrantModel.Grant grant = new GrantModel.Grant(kind, step.other(), step.flag(), gfn, behind);
        model.write(actor, step.ref(), grant);
    }

    private static void map(
            Step step, GrantModel model, GrantModel.Domain actor, GrantModel.Domain other) {
        long slot = SLOTS.get(step.number() % SLOTS.size());
        MapResult result = new MapResult();
        GrantStatus expected = model.map(actor, other, step.ref(), step.flag(), slot);
        GrantStatus actual =
                actor.fake.table.mapGrantRef(
                        slot << 12,
                        HOST_MAP | (step.flag() ? READONLY : 0),
                        step.ref(),
                        other.fake.id,
                        result);
        assertSame(expected, actual, step::toString);
        if (actual == GrantStatus.OKAY) {
            model.mapped(actor, other, step.ref(), step.flag(), slot, result.handle());
        }
    }

    private static void unmap(Step step, GrantModel model, GrantModel.Domain actor) {
        long slot = SLOTS.get(step.other() % SLOTS.size());
        int handle = step.ref() - GrantModel.FIRST_REF;
        assertSame(
                model.unmap(actor, handle, slot),
                actor.fake.table.unmapGrantRef(slot << 12, 0, handle),
                step::toString);
    }

    private static void copy(
            Step step, GrantModel model, GrantModel.Domain actor, GrantModel.Domain other) {
        GrantCopy copy = actor.fake.table.newCopy();
        if (step.flag()) {
            copy.from(DomId.SELF, false, step.number(), 0);
            copy.to(other.fake.id, true, step.ref(), 0);
        } else {
            copy.from(other.fake.id, true, step.ref(), 0);
            copy.to(DomId.SELF, false, step.number(), 0);
        }
        GrantStatus expected = model.copy(actor, other, step.ref(), step.number(), step.flag());
        assertSame(expected, copy.run(4), step::toString);
    }

    private static void setVersion(Step step, GrantModel model, GrantModel.Domain actor)
            throws XenError {
        int version = step.flag() ? 2 : 1;
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

    private static boolean isPinned(GrantModel model, GrantModel.Domain domain, int gfn) {
        return model.live.stream().anyMatch(use -> use.granter() == domain && use.gfn() == gfn);
    }
}
