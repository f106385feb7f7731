package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.OverlaidGuest;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

/// A guest that places any pages at any frames sees the pages that a simple map from frame to page predicts.
final class DomainMemoryPropertyTest {
    private static final List<Long> RAM = List.of(0x100L, 0x101L, 0x7ffL);
    private static final List<Long> HOLES = List.of(0x800L, 0xc_0000L, 0xc_0001L, 0x20_0000L);
    private static final long FIXED = GuestMemoryMap.CONSOLE_GFN;
    private static final List<Long> IMPOSSIBLE = List.of(-1L, 1L << 40);
    private static final int REMOVE = -1;

    /// Pages of another domain that a step may place, and one that takes such a page away.
    private static final int FIRST_FOREIGN = 1000;

    private static final int FOREIGN_PAGES = 3;
    private static final int UNMAP = -2;

    /// Steps of one page for the three operations on a reservation. The last two may find the page in use.
    private static final int INCREASE = -3;

    private static final int DECREASE = -4;
    private static final int POPULATE = -5;

    /// A step that moves the page at its frame to [#TARGET].
    private static final int MOVE = -6;

    /// Steps that place two pages of another domain together, or take two away together.
    private static final int PLACE_TWO = -7;

    private static final int UNMAP_TWO = -8;

    /// Frames that have the next one in the same range, and one that has not.
    private static final Set<Long> PAIRS = Set.of(0x100L, 0xc_0000L);

    private static final long LAST_RAM = 0x7ff;
    private static final long TARGET = 0xc_0001;
    private static final long IN_USE = 0x101;
    private static final int PAGE = 4096;
    private static final int OLD_CONTENT = 77;

    /// Shows a special page or another domain's at `gfn`, or removes the page there, or changes the pages that the
    /// domain owns.
    record Step(int page, long gfn) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Integer> pages =
                Arbitraries.oneOf(
                        Arbitraries.just(REMOVE),
                        Arbitraries.of(UNMAP, INCREASE, DECREASE, POPULATE, MOVE),
                        Arbitraries.of(PLACE_TWO, UNMAP_TWO),
                        Arbitraries.integers()
                                .between(FIRST_FOREIGN, FIRST_FOREIGN + FOREIGN_PAGES - 1),
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

    /// @param slack how many pages more than its memory the domain may own at first
    @Property(tries = 100)
    void guestSeesTheModel(@ForAll("steps") List<Step> steps, @ForAll @IntRange(max = 3) int slack)
            throws BootException, XenError, IOException {
        try (OverlaidGuest guest = new OverlaidGuest(page -> page == IN_USE);
                MemFd other = MemFd.create("other", FOREIGN_PAGES * (long) PAGE)) {
            for (int i = 0; i < FOREIGN_PAGES; i++) {
                other.map((long) i * PAGE, PAGE).set(ValueLayout.JAVA_INT, 0, FIRST_FOREIGN + i);
            }
            Model model = new Model(guest, other, slack);
            long before = mappings();
            for (Step step : steps) {
                model.apply(step);
                model.check();
            }
            long more = mappings() - before;
            assertTrue(more <= guest.budget.charged() + 1, "with the service's own of all holes");
        }
    }

    /// The number of the process's mappings of memory files.
    private static long mappings() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("/memfd:")).count();
        }
    }

    /// The expected pages, by frame.
    private static final class Model {
        private final OverlaidGuest guest;
        private final DomainMemory memory;
        private final DomainPhysmap physmap;
        private final MemFd other;
        private final Map<Long, Integer> overlays = new HashMap<>();
        private final Map<Long, Integer> foreign = new HashMap<>();
        private final Map<Long, Integer> below = new HashMap<>();

        /// RAM that the guest has given up, and pages that the domain owns.
        private final Set<Long> gone = new HashSet<>();

        /// The content of the page of RAM at each frame that is not its own.
        private final Map<Long, Integer> displaced = new HashMap<>();

        /// The current frame of each page of RAM that is not at its own frame, by its own frame.
        private final Map<Long, Long> away = new HashMap<>();

        private long owned;

        Model(OverlaidGuest guest, MemFd other, int slack) throws XenError {
            this.guest = guest;
            this.memory = guest.memory;
            this.physmap = guest.physmap;
            this.other = other;
            for (long gfn : RAM) {
                guest.setWord(gfn, OLD_CONTENT);
                below.put(gfn, OLD_CONTENT);
            }
            below.put(FIXED, guest.word(FIXED));
            owned = memory.maxPages() - slack;
            assertTrue(memory.increase(Math.toIntExact(owned - memory.ownedPages())));
        }

        private boolean isThere(long gfn) {
            return RAM.contains(gfn) && !gone.contains(gfn);
        }

        void apply(Step step) throws XenError {
            if (step.page == REMOVE) {
                boolean covered = overlays.containsKey(step.gfn);
                boolean ram = !covered && isRam(step.gfn) && !foreign.containsKey(step.gfn);
                assertEquals(covered || ram, physmap.removeAt(step.gfn));
                uncover(step.gfn);
                if (ram) {
                    goes(step.gfn);
                }
            } else if (step.page == UNMAP) {
                Integer page = foreign.remove(step.gfn);
                long[] pages = {page == null ? 0 : page};
                assertEquals(page != null, physmap.remove(step.gfn, pages, 1));
            } else if (step.page == PLACE_TWO) {
                placeTwo(step.gfn);
            } else if (step.page == UNMAP_TWO) {
                unmapTwo(step.gfn);
            } else if (step.page == INCREASE) {
                boolean possible = owned < memory.maxPages();
                assertEquals(possible, memory.increase(1));
                owned += possible ? 1 : 0;
            } else if (step.page == DECREASE) {
                decrease(step.gfn);
            } else if (step.page == POPULATE) {
                populate(step.gfn);
            } else if (step.page == MOVE) {
                move(step.gfn);
            } else if (step.page >= FIRST_FOREIGN) {
                place(step);
            } else {
                overlay(step);
            }
        }

        private boolean isRam(long gfn) {
            return isThere(gfn) || displaced.containsKey(gfn);
        }

        /// A page that others use stays as it is.
        private void goes(long gfn) {
            if (displaced.remove(gfn) != null) {
                away.entrySet().stream()
                        .filter(it -> it.getValue() == gfn && it.getKey() != IN_USE)
                        .forEach(it -> below.put(it.getKey(), 0));
                away.values().remove(gfn);
                return;
            }
            gone.add(gfn);
            if (gfn != IN_USE) {
                below.put(gfn, 0);
            }
        }

        private void decrease(long gfn) {
            boolean covered = overlays.containsKey(gfn);
            uncover(gfn);
            boolean ram = isRam(gfn) && !foreign.containsKey(gfn);
            assertEquals(covered || ram, physmap.decrease(gfn, 1));
            if (ram) {
                goes(gfn);
                owned--;
            }
        }

        private void populate(long gfn) {
            boolean possible =
                    !IMPOSSIBLE.contains(gfn)
                            && !foreign.containsKey(gfn)
                            && owned < memory.maxPages();
            assertEquals(possible, physmap.populate(gfn, 1));
            if (possible) {
                boolean back = overlays.containsKey(gfn) && isThere(gfn);
                uncover(gfn);
                owned += back ? 0 : 1;
                if (displaced.containsKey(gfn)) {
                    goes(gfn);
                }
                if (RAM.contains(gfn) && gfn != IN_USE && !away.containsKey(gfn)) {
                    gone.remove(gfn);
                    below.put(gfn, 0);
                } else {
                    if (isThere(gfn)) {
                        gone.add(gfn);
                    }
                    displaced.put(gfn, 0);
                }
            }
        }

        private void move(long gfn) throws XenError {
            Integer special = overlays.get(gfn);
            boolean ram = special == null && isRam(gfn) && !foreign.containsKey(gfn);
            boolean none = special == null && !ram;
            if (none || foreign.containsKey(TARGET)) {
                XenError e = assertThrows(XenError.class, () -> physmap.move(gfn, TARGET));
                assertSame(none ? XenError.EACCES : XenError.ENXIO, e);
                return;
            }
            if (special != null) {
                overlay(new Step(special, TARGET));
                return;
            }
            int content = guest.word(gfn);
            physmap.move(gfn, TARGET);
            if (gfn == TARGET) {
                return;
            }
            uncover(TARGET);
            if (displaced.containsKey(TARGET)) {
                goes(TARGET);
                owned--;
            }
            if (displaced.remove(gfn) == null) {
                gone.add(gfn);
                away.put(gfn, TARGET);
            } else {
                away.replaceAll((_, at) -> at == gfn ? TARGET : at);
            }
            displaced.put(TARGET, content);
        }

        private void place(Step step) {
            boolean possible = !IMPOSSIBLE.contains(step.gfn) && !foreign.containsKey(step.gfn);
            assertEquals(possible, place(step.gfn, step.page, 1));
            if (possible) {
                placed(step.gfn, step.page);
            }
        }

        private boolean place(long gfn, int page, int count) {
            long offset = (long) (page - FIRST_FOREIGN) * PAGE;
            return physmap.place(gfn, page, count, other, offset, true);
        }

        private void placed(long gfn, int page) {
            uncover(gfn);
            if (displaced.containsKey(gfn)) {
                goes(gfn);
            }
            foreign.put(gfn, page);
        }

        /// Two pages are shown or none.
        private void placeTwo(long gfn) {
            if (PAIRS.contains(gfn) || gfn == LAST_RAM) {
                boolean possible =
                        gfn != LAST_RAM
                                && !foreign.containsKey(gfn)
                                && !foreign.containsKey(gfn + 1);
                assertEquals(possible, place(gfn, FIRST_FOREIGN, 2));
                if (possible) {
                    placed(gfn, FIRST_FOREIGN);
                    placed(gfn + 1, FIRST_FOREIGN + 1);
                }
            }
        }

        /// Two pages are taken away or none, in whatever way they have come.
        private void unmapTwo(long gfn) {
            long[] pages = {foreign.getOrDefault(gfn, 0), foreign.getOrDefault(gfn + 1, 0)};
            boolean possible = PAIRS.contains(gfn) && pages[0] != 0 && pages[1] != 0;
            assertFalse(physmap.remove(gfn, new long[] {pages[0], 1}, 2));
            assertEquals(possible, physmap.remove(gfn, pages, 2));
            if (possible) {
                foreign.remove(gfn);
                foreign.remove(gfn + 1);
            }
        }

        private void overlay(Step step) throws XenError {
            if (IMPOSSIBLE.contains(step.gfn) || foreign.containsKey(step.gfn)) {
                XenError e =
                        assertThrows(XenError.class, () -> physmap.overlay(step.page, step.gfn));
                assertSame(IMPOSSIBLE.contains(step.gfn) ? XenError.EINVAL : XenError.ENXIO, e);
                return;
            }
            physmap.overlay(step.page, step.gfn);
            if (!Integer.valueOf(step.page).equals(overlays.get(step.gfn))) {
                uncover(step.gfn);
                if (displaced.containsKey(step.gfn)) {
                    goes(step.gfn);
                    owned--;
                }
                List.copyOf(overlays.keySet()).stream()
                        .filter(gfn -> Integer.valueOf(step.page).equals(overlays.get(gfn)))
                        .forEach(this::uncover);
                overlays.put(step.gfn, step.page);
                owned -= isThere(step.gfn) ? 1 : 0;
            }
        }

        private void uncover(long gfn) {
            if (overlays.remove(gfn) != null && isThere(gfn)) {
                below.put(gfn, 0);
                if (isThere(gfn) && owned == memory.maxPages()) {
                    gone.add(gfn);
                } else if (isThere(gfn)) {
                    owned++;
                }
            }
        }

        void check() throws XenError {
            assertEquals(owned, memory.ownedPages());
            assertTrue(owned >= 0 && owned <= memory.maxPages());
            for (long gfn : RAM) {
                boolean plain =
                        !overlays.containsKey(gfn)
                                && !foreign.containsKey(gfn)
                                && !displaced.containsKey(gfn);
                assertEquals(plain && gone.contains(gfn), memory.pageAt(gfn) == GuestFrames.NO_RAM);
            }
            for (List<Long> gfns : List.of(RAM, HOLES, List.of(FIXED))) {
                for (long gfn : gfns) {
                    check(gfn);
                }
            }
            for (int page = SpecialPages.SHARED_INFO; page < guest.special.count(); page++) {
                long shown = memory.overlayOf(page);
                assertEquals(shown >= 0 ? Integer.valueOf(page) : null, overlays.get(shown));
            }
        }

        private void check(long gfn) throws XenError {
            Integer page = overlays.get(gfn);
            Integer content =
                    page != null
                            ? Integer.valueOf(OverlaidGuest.tag(page))
                            : displaced.getOrDefault(gfn, below.get(gfn));
            if (content == null) {
                assertThrows(XenError.class, () -> guest.word(gfn));
            } else {
                assertEquals(content, guest.word(gfn), "frame " + gfn);
            }
            Integer foreignPage = foreign.get(gfn);
            if (foreignPage != null) {
                assertEquals(foreignPage, guest.seen(gfn), "frame " + gfn);
            } else if (content != null) {
                assertEquals(content, guest.seen(gfn), "frame " + gfn);
            }
        }
    }
}
