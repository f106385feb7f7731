package io.xenemu.core.backend;

import com.google.common.primitives.Longs;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.StoreView;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The nodes that a front end published, read once: what the guest writes later has no effect. Values are the guest's,
/// and may be anything.
public final class FrontendNodes {
    /// The most nodes that are read: more than 8 queues with rings of 16 pages have, twice.
    static final int MAX_NODES = 1024;

    /// The longest value that is kept. The longest that any protocol has is an address or a name.
    static final int MAX_VALUE = 256;

    /// The highest number of 32 bits.
    private static final long MAX_NUMBER = (1L << Integer.SIZE) - 1;

    private static final String QUEUE = "queue-";
    private static final String QUEUES = "multi-queue-num-queues";

    private final Map<String, String> values;
    private final String directory;
    private final int mostQueues;

    private FrontendNodes(Map<String, String> values, String directory, int mostQueues) {
        this.values = values;
        this.directory = directory;
        this.mostQueues = mostQueues;
    }

    /// Nodes by their names below the front end's directory; `/` separates a queue's directory from its nodes.
    public static FrontendNodes of(Map<String, String> values) {
        return new FrontendNodes(Map.copyOf(values), "", Integer.MAX_VALUE);
    }

    /// Reads the front end's directory and those of its queues. For a transaction, so that all are of one moment.
    ///
    /// @throws XenError ENOENT without the directory; E2BIG for more than [#MAX_NODES]
    static FrontendNodes read(StoreView view, String path) throws XenError {
        Map<String, String> values = new HashMap<>();
        for (String name : view.list(path)) {
            put(values, name, view.read(path + "/" + name));
            if (name.startsWith(QUEUE)) {
                for (String below : view.list(path + "/" + name)) {
                    String both = name + "/" + below;
                    put(values, both, view.read(path + "/" + both));
                }
            }
        }
        return of(values);
    }

    private static void put(Map<String, String> values, String name, String value) throws XenError {
        if (values.size() == MAX_NODES) {
            throw XenError.E2BIG;
        }
        values.put(name, value.length() <= MAX_VALUE ? value : value.substring(0, MAX_VALUE));
    }

    /// The same nodes of a front end that was offered no more than so many queues.
    FrontendNodes withQueues(int offered) {
        return new FrontendNodes(values, directory, offered);
    }

    private @Nullable String value(String name) {
        return values.get(directory + name);
    }

    /// The value of a node; empty if there is none.
    public Optional<String> text(String name) {
        return Optional.ofNullable(value(name));
    }

    /// Whether there is such a node.
    public boolean has(String name) {
        return value(name) != null;
    }

    /// Whether a node is a number other than 0, as Linux reads a feature. A missing node is none.
    public boolean flag(String name) {
        String value = value(name);
        Integer number = value == null ? null : parse(value);
        return number != null && number != 0;
    }

    /// A decimal number of 32 bits, to be read as unsigned; null if it is none.
    private static @Nullable Integer parse(String value) {
        Long number = Longs.tryParse(value);
        return number == null || number < 0 || number > MAX_NUMBER ? null : number.intValue();
    }

    /// A number that must be there.
    ///
    /// @throws FrontendError EINVAL if it is missing, not a decimal number, or not from `least` to `most`
    public int number(String name, int least, int most) throws FrontendError {
        int number = any(name);
        if (number < least || number > most) {
            throw new FrontendError(
                    XenError.EINVAL,
                    "%s%s is %s, and can be %d to %d"
                            .formatted(
                                    directory,
                                    name,
                                    Integer.toUnsignedString(number),
                                    least,
                                    most));
        }
        return number;
    }

    /// A number that may be missing.
    ///
    /// @param absent the number without such a node
    /// @throws FrontendError EINVAL if it is not a decimal number, or not from `least` to `most`
    public int number(String name, int least, int most, int absent) throws FrontendError {
        return has(name) ? number(name, least, most) : absent;
    }

    /// Any number of 32 bits.
    private int any(String name) throws FrontendError {
        String value = value(name);
        if (value == null) {
            throw new FrontendError(XenError.EINVAL, directory + name + " is missing");
        }
        Integer number = parse(value);
        if (number == null) {
            throw new FrontendError(XenError.EINVAL, directory + name + " is not a number");
        }
        return number;
    }

    /// A grant reference. Whether it can be mapped shows later.
    ///
    /// @throws FrontendError EINVAL if it is missing or not a number
    public GrantRef ref(String name) throws FrontendError {
        return new GrantRef(any(name));
    }

    /// The guest's end of an event channel. Whether it can be bound shows later.
    ///
    /// @throws FrontendError EINVAL if it is missing or not a number
    public EvtchnPort port(String name) throws FrontendError {
        return new EvtchnPort(any(name));
    }

    /// The pages of a ring as blkfront names them: `ring-ref` for one page, or `ring-ref0` and so on. The front end has
    /// `ring-page-order` once, for the rings of all its queues.
    ///
    /// @param mostOrder binary logarithm of the most pages that the device offers
    /// @throws FrontendError EINVAL if one is missing or not a number, or the order is too high
    public List<GrantRef> ring(int mostOrder) throws FrontendError {
        FrontendNodes device = new FrontendNodes(values, "", mostQueues);
        int pages = 1 << device.number("ring-page-order", 0, mostOrder, 0);
        if (pages == 1 && !has("ring-ref0")) {
            return List.of(ref("ring-ref"));
        }
        List<GrantRef> refs = new ArrayList<>(pages);
        for (int page = 0; page < pages; page++) {
            refs.add(ref("ring-ref" + page));
        }
        return refs;
    }

    /// The nodes of each queue. A front end with one queue has them in its own directory.
    ///
    /// @param most the number of queues that the device offers; the guest may have been offered fewer
    /// @throws FrontendError EINVAL if the front end wants none, or more (CVE-2026-45890)
    public List<FrontendNodes> queues(int most) throws FrontendError {
        int count = number(QUEUES, 1, Math.min(most, mostQueues), 1);
        return count == 1
                ? List.of(this)
                : IntStream.range(0, count)
                        .mapToObj(queue -> new FrontendNodes(values, QUEUE + queue + "/", 1))
                        .toList();
    }
}
