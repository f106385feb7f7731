package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.StringLength;

/// Any text typed as an option's value is either parsed correctly or refused with a message.
final class ParserPropertyTest {
    private static final String SUFFIXES = "KMGT";

    @Property
    void anyTextIsAMemorySizeOrRefused(@ForAll String text) {
        checkMemory(text);
    }

    @Property
    void anyNumberLikeTextIsAMemorySizeOrRefused(
            @ForAll
                    @StringLength(max = 22)
                    @CharRange(from = '0', to = '9')
                    @Chars({'K', 'm', 'g', 'T', '-', '.'})
                    String text) {
        checkMemory(text);
    }

    private static void checkMemory(String text) {
        try {
            assertTrue(MemorySize.parse(text).bytes() > 0, text);
        } catch (IllegalArgumentException e) {
            assertEquals(
                    "'" + text + "' is not an amount of memory such as 512M or 2G", e.getMessage());
        }
    }

    @Property
    void memorySizeIsNumberTimesSuffix(
            @ForAll @LongRange(min = 1, max = 1 << 20) long number,
            @ForAll @IntRange(min = 0, max = 3) int suffix) {
        long bytes = MemorySize.parse(number + SUFFIXES.substring(suffix, suffix + 1)).bytes();

        assertEquals(number << (10 * (suffix + 1)), bytes);
    }

    @Property
    void anyTextIsAVersionOrRefused(@ForAll String text) {
        checkVersion(text);
    }

    @Property
    void anyNumberLikeTextIsAVersionOrRefused(
            @ForAll @StringLength(max = 14) @CharRange(from = '0', to = '9') @Chars({'.', '-', '+'})
                    String text) {
        checkVersion(text);
    }

    private void checkVersion(String text) {
        try {
            XenVersion version = XenVersion.parse(text);
            assertTrue(version.packed() >= 0, text);
            assertEquals(version, XenVersion.parse(version.major() + "." + version.minor()));
        } catch (IllegalArgumentException e) {
            assertEquals("'" + text + "' is not a Xen version such as 4.19", e.getMessage());
        }
    }

    @Property
    void versionIsPackedAsXenDoes(
            @ForAll @IntRange(min = 0, max = 0x7fff) int major,
            @ForAll @IntRange(min = 0, max = 0xffff) int minor) {
        int packed = XenVersion.parse(major + "." + minor).packed();

        assertEquals(major, packed >> 16);
        assertEquals(minor, packed & 0xffff);
    }
}
