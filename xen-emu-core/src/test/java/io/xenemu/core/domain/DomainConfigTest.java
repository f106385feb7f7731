package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.gnttab.GrantLimits;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DomainConfigTest {
    private static DomainConfig named(String name) {
        return new DomainConfig(
                name,
                new UUID(1, 2),
                1 << 20,
                1,
                0x4_0013,
                new GrantLimits(32, 512, 1),
                EventChannelConfig.DEFAULT);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a/b", "a\nb", "3", "007", "99999999999999999999"})
    void invalidNameOrNameOfDigitsIsRefused(String name) {
        assertThrows(IllegalArgumentException.class, () -> named(name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"web", "3a", "-3", "3.1", "\u0663"})
    void nameThatIsNotANumberIsAccepted(String name) {
        assertEquals(name, named(name).name());
    }

    @Test
    void nameIsLimitedInBytes() {
        String longest = "\u00e4".repeat(DomainConfig.MAX_NAME_BYTES / 2);
        assertEquals(longest, named(longest).name());
        assertThrows(IllegalArgumentException.class, () -> named(longest + "x"));
    }
}
