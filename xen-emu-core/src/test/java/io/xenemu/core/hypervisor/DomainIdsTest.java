package io.xenemu.core.hypervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DomainIdsTest {
    private final Set<DomId> existing = new HashSet<>();

    private DomainIds ids(String policy) {
        return new DomainIds(DomainIdPolicy.parse(policy), existing::contains, new Random(1));
    }

    private static DomId id(int value) {
        return new DomId(value);
    }

    @Test
    void idsAreGivenInOrderAndNotAgainUntilAllHaveBeen() throws Refused {
        DomainIds ids = ids("xen");
        existing.add(id(2));
        assertEquals(id(1), ids.next());
        ids.release(id(1));
        assertEquals(id(3), ids.next());
        for (int i = 4; i <= 0x7fef; i++) {
            assertEquals(id(i), ids.next());
        }
        assertEquals(id(1), ids.next());
        assertThrows(Refused.class, ids::next);
    }

    @Test
    void idsGoOnBehindThoseOfTheOldProcess() throws Refused {
        DomainIds old = ids("xen");
        assertEquals(id(1), old.next());
        assertEquals(id(2), old.next());
        DomainIds ids = ids("xen");
        ids.goOnAfter(old.last());
        assertEquals(id(3), ids.next());
        DomainIds ofRange = ids("1000-1063");
        ofRange.goOnAfter(old.last());
        assertEquals(id(1000), ofRange.next(), "another policy");
    }

    @Test
    void idsOfARangeStayInIt() throws Refused {
        DomainIds ids = ids("1000-1063");
        for (int i = 1000; i < 1064; i++) {
            assertEquals(id(i), ids.next());
        }
        Refused e = assertThrows(Refused.class, ids::next);
        assertEquals("all domain ids from 1000 to 1063 are in use", e.reason());
        ids.release(id(1007));
        assertEquals(id(1007), ids.next());
    }

    @Test
    void randomIdsAreFreeAndDoNotComeAgainSoon() throws Refused {
        DomainIds ids = ids("random");
        Set<DomId> given = new HashSet<>();
        for (int i = 1; i < 20_000; i++) {
            existing.add(id(i));
        }
        for (int i = 0; i < 1000; i++) {
            DomId id = ids.next();
            ids.release(id);
            assertTrue(given.add(id), id::toString);
            assertFalse(existing.contains(id), id::toString);
            assertTrue(id.value() < DomId.FIRST_RESERVED, id::toString);
        }
    }

    @Test
    void idThatIsClaimedIsNotGiven() throws Refused {
        DomainIds ids = ids("xen");
        ids.claim(id(1));
        assertEquals(id(2), ids.next());
        existing.add(id(7));
        for (DomId used : Set.of(id(1), id(2), id(7))) {
            Refused e = assertThrows(Refused.class, () -> ids.claim(used));
            assertEquals("the domain id " + used.value() + " is in use", e.reason());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "Xen", "1", "0-100", "1-32752", "100-1", "1-63", "1-2-3", "a-b"})
    void otherPoliciesAreRefused(String text) {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> DomainIdPolicy.parse(text));
        assertEquals(1, String.valueOf(e.getMessage()).lines().count());
    }
}
