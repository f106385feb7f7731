package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(60)
final class DomainEnginesTest {
    private static final DomId GUEST = new DomId(1);

    private final List<EngineQueue> queues = new ArrayList<>();
    private final Engines engines =
            new Engines(
                    EngineSpec.withDefaults(
                            List.of(
                                    EngineSpec.parse("block:4"),
                                    EngineSpec.parse("block:1"),
                                    EngineSpec.parse("net:0")),
                            1),
                    new SimpleMeterRegistry());
    private final DomainEngines guest = engines.open(GUEST, EngineMap.DEFAULT);

    DomainEnginesTest() throws XenError {}

    @AfterEach
    void close() {
        queues.forEach(EngineQueue::close);
        guest.close();
        engines.close();
    }

    private EngineQueue queue(int index) {
        EngineQueue queue = guest.add(EngineClass.BLOCK, "vbd-51712", index, () -> true, _ -> {});
        queues.add(queue);
        queue.release();
        return queue;
    }

    /// A queue moves after its run in progress.
    private static void requireOn(String engine, EngineQueue queue) {
        Eventually.holds(
                queue + " on " + engine, () -> queue.engine().id().toString().equals(engine));
    }

    private static XenError refused(DomainEngines domain, String map) {
        return assertThrows(XenError.class, () -> domain.set(EngineMap.parse(map)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "default | 2 | 1 | 4",
                "block:4,block:4,block:4 | 3 | 1 | 4",
                "block:1,-,block:4,net:0 | 1 | 1 | 4",
                "-,block:1 | 0 | 1 | 4",
                "-,net:0 | 2 | 0 | 4",
                "- | 0 | 0 | 0"
            })
    void guestIsOfferedTheQueuesBeforeTheFirstGap(String map, int block, int net, int share)
            throws XenError {
        guest.set(EngineMap.parse(map));
        assertEquals(block, guest.offered(EngineClass.BLOCK));
        assertEquals(net, guest.offered(EngineClass.NET));
        assertEquals(share, guest.offered(EngineClass.NINE_P));
    }

    @Test
    void queueRunsOnTheEntryOfItsIndex() throws XenError {
        EngineQueue first = queue(0);
        EngineQueue second = queue(1);
        requireOn("block:1", first);
        requireOn("block:4", second);
        guest.set(EngineMap.parse("block:4,block:1"));
        requireOn("block:4", first);
        requireOn("block:1", second);
        assertEquals("[vbd-51712/0 on block:4, vbd-51712/1 on block:1]", served());
        guest.set(new byte[0]);
        requireOn("block:1", first);
        requireOn("block:4", second);
        assertEquals("[vbd-51712/0 on block:1, vbd-51712/1 on block:4]", served());
        first.close();
        assertEquals("[vbd-51712/1 on block:4]", served());
    }

    private String served() {
        return guest.served().stream()
                .map(it -> "%s/%d on %s".formatted(it.device(), it.index(), it.engine()))
                .toList()
                .toString();
    }

    @Test
    void queueWhoseEntryHasBecomeAGapIsServedUntilItIsClosed() throws XenError {
        EngineQueue second = queue(1);
        guest.set(EngineMap.parse("block:1,-"));
        requireOn("block:4", second);
        guest.set(EngineMap.parse("-"));
        requireOn("block:4", second);
        // A guest that was offered it before connects now.
        requireOn("block:1", queue(1));
    }

    @Test
    void workBeyondTheLastEntryGoesRoundTheEntries() throws XenError {
        List<EngineQueue> four = List.of(queue(0), queue(1), queue(2), queue(3));
        requireOn("block:1", four.get(2));
        requireOn("block:4", four.get(3));
        guest.set(EngineMap.parse("block:4,-,block:1"));
        requireOn("block:4", four.get(0));
        requireOn("block:4", four.get(1));
        requireOn("block:1", four.get(2));
        requireOn("block:1", four.get(3));
    }

    @Test
    void classWithoutAnyEngineHasNoQueues() {
        assertEquals(0, guest.offered(EngineClass.STORE));
        assertThrows(
                IllegalStateException.class,
                () -> guest.add(EngineClass.STORE, "store", 0, () -> true, _ -> {}));
        assertEquals("[]", served());
    }

    @Test
    void refusedMapLeavesTheOldOne() throws XenError {
        EngineMap map = EngineMap.parse("block:4,-");
        guest.set(map);
        assertSame(XenError.ENOENT, refused(guest, "block:4,block:0"));
        byte[] wrong = EngineMapLayout.bytes(map);
        wrong[8] = 1;
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> guest.set(wrong)));
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> guest.set(new byte[16])));
        assertEquals(map, guest.map());
        assertSame(
                XenError.ENOENT,
                assertThrows(
                        XenError.class,
                        () -> engines.open(new DomId(2), EngineMap.parse("net:9"))));
        assertNull(engines.find(new DomId(2)));
    }

    @Test
    void mapIsReadInTwoSteps() throws XenError {
        assertEquals(0, guest.get(new byte[0]));
        guest.set(EngineMap.parse("block:4,-,net:0"));
        int size = guest.get(new byte[0]);
        byte[] room = new byte[size];
        assertEquals(size, guest.get(room));
        assertEquals(guest.map(), EngineMapLayout.map(room));
        byte[] more = new byte[size + 8];
        assertEquals(size, guest.get(more));
        assertEquals(guest.map(), EngineMapLayout.map(Arrays.copyOf(more, size)));
        assertSame(
                XenError.EINVAL, assertThrows(XenError.class, () -> guest.get(new byte[size - 1])));
        guest.set(EngineMap.parse("block:4,-,net:0,net:0,net:0"));
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> guest.get(room)));
    }

    @Test
    void cloneTakesTheMapThatItsModelHasNow() throws XenError {
        guest.set(EngineMap.parse("block:4"));
        try (DomainEngines clone = engines.open(new DomId(2), EngineMap.DEFAULT)) {
            assertEquals(EngineMap.DEFAULT, clone.map());
            clone.copyFrom(guest);
            guest.set(EngineMap.DEFAULT);
            assertEquals(EngineMap.parse("block:4"), clone.map());
        }
    }

    @Test
    void endedDomainHasNoNewQueues() {
        EngineQueue last = queue(0);
        guest.close();
        assertNull(engines.find(GUEST));
        last.close();
        assertEquals(0, engines.all().stream().mapToInt(Engine::queues).sum());
        assertThrows(IllegalStateException.class, () -> queue(0));
    }
}
