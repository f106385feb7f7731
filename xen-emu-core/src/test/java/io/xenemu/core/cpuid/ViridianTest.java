package io.xenemu.core.cpuid;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ViridianTest {
    private static final List<String> DEFAULTS =
            List.of(
                    "base",
                    "freq",
                    "time_ref_count",
                    "apic_assist",
                    "crash_ctl",
                    "no_vp_limit",
                    "cpu_hotplug");

    private static List<String> groups(String... texts) {
        return Viridian.parse(List.of(texts)).words();
    }

    @Test
    void wordsAreXls() {
        assertEquals(List.of(), groups());
        assertEquals(List.of(), groups("0"));
        assertEquals(DEFAULTS, groups("1"));
        assertEquals(DEFAULTS, groups("defaults"));
        assertEquals(13, groups("all").size());
        assertEquals(List.of("base", "freq"), groups("base,freq"));
        assertEquals(List.of("base", "freq"), groups("base", "freq"));
        assertFalse(groups("defaults", "!freq").contains("freq"));
        assertEquals(
                List.of("base", "time_ref_count", "synic", "stimer"), groups("base", "stimer"));
        assertEquals(groups("all"), groups(groups("all").toArray(String[]::new)));
    }

    @Test
    void otherWordsAreRefused() {
        for (String text : List.of("relaxed", "!relaxed", "", "BASE", "base,")) {
            assertThrows(IllegalArgumentException.class, () -> Viridian.parse(List.of(text)), text);
        }
        assertEquals(
                "the group base is needed for any other",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> Viridian.parse(List.of("all", "!base")))
                        .getMessage());
    }

    /// The values of Xen's `cpuid_viridian_leaves`.
    @Test
    void leavesAreXens() {
        List<CpuidEntry> leaves = Viridian.parse(List.of("all")).leaves();
        assertEquals(0xa7e, leaves.get(3).eax());
        assertEquals(0, leaves.get(3).ebx());
        assertEquals(1 << 3 | 1 << 10, leaves.get(3).edx());
        assertEquals(1 << 2 | 1 << 3 | 1 << 5 | 1 << 10 | 1 << 11, leaves.get(4).eax());
        assertEquals(2047, leaves.get(4).ebx());
        assertEquals(0x870, Viridian.parse(List.of("base,freq")).leaves().get(3).eax());
        assertTrue(Viridian.NONE.leaves().isEmpty());
    }

    @Test
    void groupsThatKvmLacksAreNamed() {
        List<CpuidEntry> supported =
                List.of(
                        new CpuidEntry(0x4000_0003, 0, 0, ~(1 << 2), 0, 0, 0),
                        new CpuidEntry(0x4000_0004, 0, 0, ~(1 << 10), 0, 0, 0));
        assertEquals(
                "viridian: this host's KVM does not have crash_ctl, synic, hcall_ipi",
                assertThrows(
                                CannotOfferException.class,
                                () -> Viridian.parse(List.of("all")).check(supported))
                        .getMessage());
        assertDoesNotThrow(
                () -> Viridian.parse(List.of("defaults", "!crash_ctl")).check(supported));
    }
}
