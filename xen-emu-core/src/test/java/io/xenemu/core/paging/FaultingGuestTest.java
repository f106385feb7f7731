package io.xenemu.core.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.migration.PageRunSink;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The requests of two processes for the pages of one guest. Both are this one, with a mapping for each.
@Timeout(60)
class FaultingGuestTest {
    private static final long PAGE = 4096;
    private static final int PAGES = 16;
    private static final int SHARER = 1;

    private final MemFd ram = MemFd.create("ram", PAGES * PAGE);
    private final MemorySegment own = ram.map(0, PAGES * PAGE);

    /// Where the guest sees it: the service's second mapping.
    private final MemorySegment view = ram.map(0, PAGES * PAGE);

    private final MemorySegment other = ram.map(0, PAGES * PAGE);
    private final Pages pages = new Pages();
    private final List<String> notShared = new ArrayList<>();
    private FaultingGuest guest;

    /// Pages with their number, which come when the test wants.
    private static final class Pages implements PageSource {
        final List<Integer> asked = new ArrayList<>();
        final Arena arena = Arena.ofShared();
        final MemorySegment page = arena.allocate(PAGE, PAGE);
        boolean comeLater;
        @Nullable PageRunSink guest;

        @Override
        public boolean has(int page) {
            return true;
        }

        @Override
        public void bring(int number, PageRunSink sink) throws IOException {
            asked.add(number);
            guest = sink;
            if (!comeLater) {
                come(number);
            }
        }

        void come(int number) throws IOException {
            page.set(ValueLayout.JAVA_LONG, 0, number);
            Objects.requireNonNull(guest).run(number, page);
        }

        @Override
        public boolean bringNext(PageRunSink sink) {
            return false;
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    @BeforeEach
    void begin() throws IOException {
        LatePagesNeeds.rightToUseUserfaultfd();
        guest =
                new FaultingGuest(
                        new PageMessage.Add(
                                1,
                                "web",
                                PageOrigin.Kind.SHARED_FILE,
                                0,
                                PAGES,
                                List.of(mapped(own), mapped(view))),
                        faults(own, view),
                        pages,
                        PresentPages.create("present", PAGES),
                        (of, number, sharer, reason) -> notShared.add(reason));
        guest.begin();
        guest.share(
                SHARER,
                new FaultingGuest.Sharer(
                        new FaultingProcess("other", faults(other), List.of(mapped(other))),
                        HostFile.received(EventFd.create().fd())));
    }

    @AfterEach
    void close() throws IOException {
        guest.close();
        ram.close();
    }

    private static MappedRam mapped(MemorySegment mapping) {
        return new MappedRam(mapping.address(), PAGES, 0);
    }

    private static UserFaultFd faults(MemorySegment... mappings) {
        UserFaultFd faults = UserFaultFd.open();
        for (MemorySegment mapping : mappings) {
            faults.register(mapping);
        }
        return faults;
    }

    private static FutureTask<Long> reader(MemorySegment mapping, int page) {
        FutureTask<Long> task =
                new FutureTask<>(() -> {
                    UserFaultFd.populate(mapping.address() + page * PAGE, 8);
                    return mapping.get(ValueLayout.JAVA_LONG, page * PAGE);
                });
        Thread.ofPlatform().daemon().start(task);
        return task;
    }

    private void look() throws IOException {
        assertFalse(guest.look() || guest.look(SHARER));
    }

    private void untilAnswered(FutureTask<Long> reader, long value) throws Exception {
        Eventually.holds(
                "the thread goes on",
                () -> {
                    look();
                    while (guest.isWaiting()) {
                        guest.serve();
                    }
                    return reader.isDone();
                });
        assertEquals(value, reader.get());
    }

    @Test
    void requestsAreServedInTheirOrderAndOncePerPage() throws Exception {
        FutureTask<Long> first = reader(other, 5);
        Eventually.holds(
                "it is told",
                () -> {
                    look();
                    return guest.isWaiting();
                });
        FutureTask<Long> second = reader(own, 3);
        FutureTask<Long> third = reader(own, 5);
        guest.serve();
        assertEquals(List.of(5), pages.asked);
        untilAnswered(first, 5);
        untilAnswered(third, 5);
        untilAnswered(second, 3);
        assertEquals(List.of(5, 3), pages.asked);
        assertEquals(List.of(), notShared);
    }

    @Test
    void pageThatComesLaterIsAskedForOnceAndWakesAllProcesses() throws Exception {
        pages.comeLater = true;
        FutureTask<Long> here = reader(own, 7);
        FutureTask<Long> there = reader(other, 7);
        FutureTask<Long> next = reader(other, 8);
        Eventually.holds(
                "both pages are asked for",
                () -> {
                    look();
                    guest.serve();
                    return pages.asked.size() == 2;
                });
        assertFalse(here.isDone() || there.isDone() || next.isDone());
        pages.come(7);
        untilAnswered(here, 7);
        untilAnswered(there, 7);
        assertFalse(next.isDone());
        pages.come(8);
        untilAnswered(next, 8);
        assertTrue(pages.asked.containsAll(List.of(7, 8)));
        assertEquals(2, pages.asked.size());
    }

    @Test
    void pageWakesTheThreadsAtAllMappingsOfTheService() throws Exception {
        FutureTask<Long> here = reader(own, 4);
        FutureTask<Long> inTheGuest = reader(view, 4);
        untilAnswered(here, 4);
        untilAnswered(inTheGuest, 4);
        FutureTask<Long> first = reader(view, 9);
        untilAnswered(first, 9);
    }

    @Test
    void threadAtAPageThatIsThereAlreadyGoesOn() throws Exception {
        pages.comeLater = true;
        FutureTask<Long> here = reader(own, 6);
        FutureTask<Long> inTheGuest = reader(view, 6);
        Eventually.holds(
                "it is asked for",
                () -> {
                    look();
                    guest.serve();
                    return !pages.asked.isEmpty();
                });
        // Nobody is woken by that.
        ram.map(0, PAGES * PAGE).set(ValueLayout.JAVA_LONG, 6 * PAGE, 99);
        pages.come(6);
        untilAnswered(here, 99);
        untilAnswered(inTheGuest, 99);
    }
}
