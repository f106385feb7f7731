package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest's rights on each of its parameters, as in Xen.
final class HvmParamsTest {
    private static final Set<Integer> READABLE = Set.of(0, 1, 2, 15, 17, 18, 19, 34, 35, 36, 37);
    private static final Set<Integer> WRITABLE = Set.of(0, 2, 15, 18, 34, 36, 37);
    private static final Set<Integer> DEPRECATED = Set.of(4, 13, 20, 21, 22, 23, 24, 25, 26, 30);

    /// The smallest task state segment that Xen accepts, at 0xf000.
    private static final long TSS = 104L << 32 | 0xf000;

    private final List<String> crashes = new ArrayList<>();
    private final HvmParams params = new HvmParams(crashes::add);

    @Test
    void guestReadsTheParametersThatXenLetsItRead() throws XenError {
        for (int index = 0; index < HvmParams.COUNT; index++) {
            params.set(index, 1000 + index);
        }
        for (int index = 0; index < HvmParams.COUNT; index++) {
            if (READABLE.contains(index)) {
                int from = index == HvmParams.VM86_TSS ? HvmParams.VM86_TSS_SIZED : index;
                assertEquals(1000 + from, params.guestGet(index));
            } else {
                assertSame(refusal(index), getError(index), "parameter " + index);
            }
        }
    }

    @Test
    void guestWritesTheParametersThatXenLetsItWrite() throws XenError {
        for (int index = 0; index < HvmParams.COUNT; index++) {
            params.set(index, 1000 + index);
            if (WRITABLE.contains(index)) {
                long value = index == HvmParams.VM86_TSS_SIZED ? TSS : 0;
                params.guestSet(index, value);
                assertEquals(value, params.guestGet(index), "parameter " + index);
            } else {
                XenError expected =
                        switch (index) {
                            case HvmParams.ALTP2M -> XenError.EEXIST;
                            // There is no PM timer, as on a PVH guest.
                            case HvmParams.ACPI_IOPORTS_LOCATION -> XenError.ENODEV;
                            default -> refusal(index);
                        };
                assertSame(expected, setError(index, 0), "parameter " + index);
                assertEquals(1000 + index, params.get(index), "parameter " + index);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"0xf000, 0x80_0000_f000", "0xffffffff, 0x80_ffff_ffff", "0, 0"})
    void unsizedTaskStateHas128Bytes(String address, String sized) throws XenError {
        params.guestSet(HvmParams.VM86_TSS, hex(address));

        assertEquals(hex(sized), params.guestGet(HvmParams.VM86_TSS_SIZED));
        assertEquals(hex(address), params.guestGet(HvmParams.VM86_TSS));
    }

    @ParameterizedTest
    @CsvSource({
        "0x68_0000_f000, 0x68_0000_f000",
        "0x2089_0000_f000, 0x2089_0000_f000",
        "0x208a_0000_f000, 0x2089_0000_f000",
        "0xffff_ffff_0000_f000, 0x2089_0000_f000"
    })
    void taskStateSizeIsCutToTheUsefulMaximum(String value, String kept) throws XenError {
        params.guestSet(HvmParams.VM86_TSS_SIZED, hex(value));

        assertEquals(hex(kept), params.guestGet(HvmParams.VM86_TSS_SIZED));
        assertEquals(0xf000, params.guestGet(HvmParams.VM86_TSS));
        assertEquals(List.of(), crashes);
    }

    @ParameterizedTest
    @CsvSource({
        "15, 0x1_0000_0000",
        "15, 0xffff_ffff_ffff_ffff",
        "37, 0xf000",
        "37, 0x67_0000_f000",
        "37, 0"
    })
    void impossibleTaskStateCrashesTheDomain(int index, String value) {
        assertSame(XenError.EINVAL, setError(index, hex(value)));
        assertEquals(1, crashes.size());
        assertEquals(0, params.get(HvmParams.VM86_TSS_SIZED));
    }

    private static long hex(String value) {
        return Long.parseUnsignedLong(value.replace("0x", "").replace("_", ""), 16);
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
    @CsvSource({"36, 1", "36, 16", "36, -1"})
    void invalidValueIsEinval(int index, long value) {
        assertSame(XenError.EINVAL, setError(index, value));
        assertEquals(8, params.get(index));
    }

    @ParameterizedTest
    @CsvSource({"36, 0", "36, 4", "36, 8", "0, -1"})
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
