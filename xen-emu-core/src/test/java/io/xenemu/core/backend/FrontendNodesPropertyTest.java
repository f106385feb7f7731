package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/// A front end's nodes may have any text.
final class FrontendNodesPropertyTest {
    private static FrontendNodes nodes(String... pairs) {
        Map<String, String> values = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            values.put(pairs[i], pairs[i + 1]);
        }
        return FrontendNodes.of(values);
    }

    @Property
    void anyTextIsANumberInItsLimitsOrRefused(@ForAll String text) {
        FrontendNodes nodes = nodes("n", text);
        boolean _ = nodes.flag("n");
        try {
            int number = nodes.number("n", 1, 8);
            assertTrue(number >= 1 && number <= 8);
            assertEquals(number, Integer.parseInt(text));
        } catch (FrontendError e) {
            assertEquals(XenError.EINVAL, e.error());
            assertTrue(e.node().startsWith("22 n is "), e.node());
        }
    }

    @Property
    void everyNumberOf32BitsIsAReference(@ForAll int number) throws FrontendError {
        String text = Integer.toUnsignedString(number);
        assertEquals(new GrantRef(number), nodes("r", text).ref("r"));
        assertEquals(number, nodes("p", text).port("p").value());
        assertEquals(number != 0, nodes("f", text).flag("f"));
    }

    @Property
    void ringHasAsManyPagesAsItsOrderSays(@ForAll @IntRange(min = 0, max = 4) int order)
            throws FrontendError {
        Map<String, String> values = new HashMap<>();
        values.put("ring-page-order", Integer.toString(order));
        IntStream.range(0, 1 << order)
                .forEach(page -> values.put("ring-ref" + page, Integer.toString(page + 8)));
        List<GrantRef> refs = FrontendNodes.of(values).ring(4);
        assertEquals(
                IntStream.range(0, 1 << order).mapToObj(p -> new GrantRef(p + 8)).toList(), refs);
        values.remove("ring-ref" + ((1 << order) - 1));
        assertThrows(FrontendError.class, () -> FrontendNodes.of(values).ring(4));
    }

    @Property
    void orderIsThatOfTheRingsOfAllQueues(@ForAll @IntRange(min = 1, max = 4) int order)
            throws FrontendError {
        Map<String, String> values = new HashMap<>();
        values.put("multi-queue-num-queues", "2");
        values.put("ring-page-order", Integer.toString(order));
        // A queue has none of its own.
        values.put("queue-1/ring-page-order", "0");
        for (int ref = 0; ref < 2 << order; ref++) {
            String queue = "queue-" + (ref >> order);
            int page = ref & ((1 << order) - 1);
            values.put(queue + "/ring-ref" + page, Integer.toString(ref + 8));
        }
        List<GrantRef> refs = new ArrayList<>();
        for (FrontendNodes queue : FrontendNodes.of(values).queues(2)) {
            refs.addAll(queue.ring(4));
        }
        assertEquals(IntStream.range(8, 8 + (2 << order)).mapToObj(GrantRef::new).toList(), refs);
    }

    @Example
    void oneQueueHasItsNodesInTheDirectoryItself() throws FrontendError {
        FrontendNodes one = nodes("multi-queue-num-queues", "1", "ring-ref", "8");
        assertEquals(List.of(one), one.queues(4));
        FrontendNodes two =
                nodes("multi-queue-num-queues", "2", "queue-0/a", "5", "queue-1/a", "6");
        assertEquals(5, two.queues(4).getFirst().number("a", 0, 9));
        assertEquals(6, two.queues(4).getLast().number("a", 0, 9));
        FrontendError missing =
                assertThrows(FrontendError.class, () -> two.queues(4).getLast().number("b", 0, 9));
        assertEquals("22 queue-1/b is missing", missing.node());
    }
}
