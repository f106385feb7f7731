package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.kvm.abi.XenError;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Needs /dev/kvm: whatever a guest puts where, it sees what a map from frame to page says.
final class DomainMemoryPropertyTest {
    private static final List<Long> RAM = List.of(0x100L, 0x101L, 0x7ffL);
    private static final List<Long> HOLES = List.of(0x800L, 0xc_0000L, 0xc_0001L, 0x20_0000L);
    private static final long FIXED = GuestMemoryMap.CONSOLE_GFN;
    private static final List<Long> IMPOSSIBLE = List.of(-1L, 1L << 40);
    private static final int REMOVE = -1;
    private static final int OLD_CONTENT = 77;

    /// Shows `page` at `gfn`, or removes what is there.
    record Step(int page, long gfn) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Integer> pages =
                Arbitraries.oneOf(
                        Arbitraries.just(REMOVE),
                        Arbitraries.integers()
                                .between(
                                        SpecialPages.SHARED_INFO,
                                        SpecialPages.grantFrame(OverlaidGuest.GRANT_FRAMES - 1)));
        Arbitrary<Long> gfns =
                Arbitraries.oneOf(
                        Arbitraries.of(RAM),
                        Arbitraries.of(HOLES),
                        Arbitraries.just(FIXED),
                        Arbitraries.of(IMPOSSIBLE));
        return Combinators.combine(pages, gfns).as(Step::new).list().ofMinSize(1).ofMaxSize(40);
    }

    @Property(tries = 60)
    void guestSeesTheModel(@ForAll("steps") List<Step> steps) throws BootException, XenError {
        try (OverlaidGuest guest = new OverlaidGuest()) {
            Map<Long, Integer> overlays = new HashMap<>();
            Map<Long, Integer> below = new HashMap<>();
            for (long gfn : RAM) {
                guest.setWord(gfn, OLD_CONTENT);
                below.put(gfn, OLD_CONTENT);
            }
            below.put(FIXED, guest.word(FIXED));
            for (Step step : steps) {
                apply(step, guest.memory, overlays, below);
                check(guest, overlays, below);
            }
        }
    }

    private static void apply(
            Step step, DomainMemory memory, Map<Long, Integer> overlays, Map<Long, Integer> below)
            throws XenError {
        if (step.page == REMOVE) {
            assertEquals(overlays.containsKey(step.gfn), memory.removeAt(step.gfn));
            uncover(step.gfn, overlays, below);
            return;
        }
        if (IMPOSSIBLE.contains(step.gfn)) {
            XenError e = assertThrows(XenError.class, () -> memory.overlay(step.page, step.gfn));
            assertSame(XenError.EINVAL, e);
            return;
        }
        memory.overlay(step.page, step.gfn);
        if (!Integer.valueOf(step.page).equals(overlays.get(step.gfn))) {
            uncover(step.gfn, overlays, below);
            List.copyOf(overlays.keySet()).stream()
                    .filter(gfn -> Integer.valueOf(step.page).equals(overlays.get(gfn)))
                    .forEach(gfn -> uncover(gfn, overlays, below));
            overlays.put(step.gfn, step.page);
        }
    }

    private static void uncover(long gfn, Map<Long, Integer> overlays, Map<Long, Integer> below) {
        if (overlays.remove(gfn) != null && RAM.contains(gfn)) {
            below.put(gfn, 0);
        }
    }

    private static void check(
            OverlaidGuest guest, Map<Long, Integer> overlays, Map<Long, Integer> below)
            throws XenError {
        for (List<Long> gfns : List.of(RAM, HOLES, List.of(FIXED))) {
            for (long gfn : gfns) {
                Integer page = overlays.get(gfn);
                Integer content =
                        page == null ? below.get(gfn) : Integer.valueOf(OverlaidGuest.tag(page));
                if (content == null) {
                    assertThrows(XenError.class, () -> guest.word(gfn));
                } else {
                    assertEquals(content, guest.word(gfn), "frame " + gfn);
                }
            }
        }
        for (int page = SpecialPages.SHARED_INFO; page < guest.special.count(); page++) {
            long shown = guest.memory.overlayOf(page);
            assertEquals(shown >= 0 ? Integer.valueOf(page) : null, overlays.get(shown));
        }
    }
}
