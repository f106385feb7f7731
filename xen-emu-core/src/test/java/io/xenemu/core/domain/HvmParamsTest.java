package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.XenError;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What a guest may do with each of its parameters, as Xen has it.
final class HvmParamsTest {
    private static final Set<Integer> READABLE = Set.of(0, 1, 2, 15, 17, 18, 19, 34, 35, 36, 37);
    private static final Set<Integer> WRITABLE = Set.of(0, 2, 15, 18, 19, 34, 36, 37);
    private static final Set<Integer> DEPRECATED = Set.of(20, 21, 22, 23, 24, 25, 26, 30);

    private final HvmParams params = new HvmParams();

    @Test
    void guestReadsWhatXenLetsItRead() throws XenError {
        for (int index = 0; index < HvmParams.COUNT; index++) {
            params.set(index, 1000 + index);
            if (READABLE.contains(index)) {
                assertEquals(1000 + index, params.guestGet(index));
            } else {
                assertSame(refusal(index), getError(index), "parameter " + index);
            }
        }
    }

    @Test
    void guestWritesWhatXenLetsItWrite() throws XenError {
        for (int index = 0; index < HvmParams.COUNT; index++) {
            params.set(index, 1000 + index);
            if (WRITABLE.contains(index)) {
                params.guestSet(index, 0);
                assertEquals(0, params.get(index), "parameter " + index);
            } else {
                XenError expected = index == HvmParams.ALTP2M ? XenError.EEXIST : refusal(index);
                assertSame(expected, setError(index, 0), "parameter " + index);
                assertEquals(1000 + index, params.get(index), "parameter " + index);
            }
        }
    }

    private static XenError refusal(int index) {
        return DEPRECATED.contains(index) ? XenError.EINVAL : XenError.EPERM;
    }

    @ParameterizedTest
    @ValueSource(ints = {HvmParams.COUNT, 64, Integer.MAX_VALUE, -1, Integer.MIN_VALUE})
    void indexOutsideOfTheTableIsEinval(int index) {
        assertSame(XenError.EINVAL, getError(index));
        assertSame(XenError.EINVAL, setError(index, 0));
    }

    @ParameterizedTest
    @CsvSource({"19, 2", "19, -1", "36, 1", "36, 16", "36, -1"})
    void valueThatMeansNothingIsEinval(int index, long value) {
        assertSame(XenError.EINVAL, setError(index, value));
        assertEquals(0, params.get(index));
    }

    @ParameterizedTest
    @CsvSource({"19, 0", "19, 1", "36, 0", "36, 4", "36, 8", "0, -1"})
    void everyOtherValueIsKept(int index, long value) throws XenError {
        params.guestSet(index, value);

        assertEquals(value, params.guestGet(index));
    }

    private XenError getError(int index) {
        return assertThrows(XenError.class, () -> params.guestGet(index));
    }

    private XenError setError(int index, long value) {
        return assertThrows(XenError.class, () -> params.guestSet(index, value));
    }
}
