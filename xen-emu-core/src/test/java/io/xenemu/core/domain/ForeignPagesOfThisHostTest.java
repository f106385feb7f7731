package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

final class ForeignPagesOfThisHostTest {
    @Test
    void hostAllowsThousandsButNotWithoutEnd() {
        try (ForeignPages pages = ForeignPages.ofThisHost()) {
            assertTrue(pages.take(10_000));
            assertFalse(pages.take(Integer.MAX_VALUE));
        }
    }
}
