package io.xenemu.core.replay;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.HeldState;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.CallDecoder;
import io.xenemu.core.trace.TraceHeader;
import io.xenemu.core.trace.TraceKind;
import io.xenemu.core.trace.TraceReader;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.trace.TracedCall;
import io.xenemu.core.trace.TracedEvent;
import io.xenemu.core.trace.TracedRecord;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Makes the calls of a trace again, in a domain like the traced one, and compares the results. For one thread.
public final class Replay {
    /// The most calls of a multicall whose record is whole: each entry takes 32 bytes of 8 KiB.
    private static final int MAX_WITHIN = 256;

    /// The most bits of heap for a page of the domain's RAM: three sets of pages, which double as they grow.
    private static final long BITS_OF_PAGE = 6;

    /// The part of the heap that those sets may take: one half.
    private static final long HEAP_SHARE = 2;

    private record Last(long line, long end) {}

    private final HypercallTable table;
    private final TraceText text;
    private final TraceReader trace;
    private final DomId self;
    private final Map<String, Long> partly = new HashMap<>();
    private final Map<String, Long> skipped = new HashMap<>();

    /// The last call of each vCPU with its line.
    private final Map<Integer, Last> last = new HashMap<>();

    /// The calls of a multicall whose own record follows, by vCPU.
    private final Map<Integer, List<TracedCall>> within = new HashMap<>();

    private long line;
    private long calls;
    private long compared;

    /// The first difference.
    private ReplayReport.@Nullable Difference found;

    private Replay(HypercallTable table, TraceReader trace) {
        this.table = table;
        this.trace = trace;
        this.text = new TraceText(new CallDecoder(table));
        this.self = trace.header().domain();
    }

    /// Replays a trace up to its end or the first difference.
    ///
    /// @param table the hypercalls
    /// @throws ReplayException if the trace cannot be replayed, or not to its end
    /// @throws IOException if it cannot be read
    public static ReplayReport run(HypercallTable table, TraceReader trace)
            throws ReplayException, IOException {
        return new Replay(table, trace).run();
    }

    private ReplayReport run() throws ReplayException, IOException {
        TraceHeader header = trace.header();
        if (header.replay().stateBytes() == 0) {
            throw new ReplayException(
                    "the trace does not have the domain's state: " + header.replay().obstacle());
        }
        if (header.replay().isFiltered()) {
            throw new ReplayException("the trace was recorded with a filter, so calls are missing");
        }
        XenState state = HeldState.read(trace.state());
        if (!state.id().equals(self)) {
            throw new ReplayException("the trace has the state of another domain");
        }
        long memory = new DomainOrigin.Saved(state, _ -> {}).config().maxMemoryBytes();
        requireRoom(memory, Runtime.getRuntime().maxMemory());
        try (ReplayedDomain domain = domain(header, state)) {
            readCalls(domain);
            return new ReplayReport(calls, compared, partly, skipped, found);
        }
    }

    /// Refuses a domain whose pages may need more of the heap than there is. A call of a trace can name any page.
    ///
    /// @param memory bytes of its RAM
    /// @param heap the most bytes of the heap
    /// @throws ReplayException names the heap that it needs
    static void requireRoom(long memory, long heap) throws ReplayException {
        long needed = HEAP_SHARE * (memory / GuestMemory.PAGE_SIZE * BITS_OF_PAGE / Byte.SIZE);
        if (needed > heap) {
            throw new ReplayException(
                    "its domain of %d GiB needs a heap of %d MiB: XEN_EMU_JAVA_OPTS=-Xmx%dm"
                            .formatted(memory >> 30, needed >> 20, needed >> 20));
        }
    }

    private ReplayedDomain domain(TraceHeader header, XenState state) throws ReplayException {
        try {
            return new ReplayedDomain(header, state, table);
        } catch (BootException | KvmException | XenError | IllegalArgumentException e) {
            throw new ReplayException("its domain cannot be made: " + e.getMessage(), e);
        }
    }

    private void readCalls(ReplayedDomain domain) throws ReplayException, IOException {
        for (TracedRecord record = trace.next();
                record != null && found == null;
                record = trace.next()) {
            line++;
            requireWhole(domain, record);
            switch (record) {
                case TracedCall call -> {
                    found = call(domain, call);
                    last.put(call.vcpu(), new Last(line, call.end()));
                }
                case TracedEvent event -> {
                    if (event.kind() == TraceKind.CHANGES) {
                        domain.change(event);
                    }
                }
            }
        }
    }

    /// Refuses a record before which others are missing: all that follows may depend on them.
    private void requireWhole(ReplayedDomain domain, TracedRecord record) throws ReplayException {
        if (record.lost() > 0) {
            throw new ReplayException(
                    "line %d: %d records before it were lost, so it cannot be replayed; %d calls before were the same"
                            .formatted(line, record.lost(), compared));
        }
        if (record instanceof TracedCall call) {
            if (call.isCut()) {
                throw new ReplayException(
                        "line %d: not all memory of the call was recorded; %d calls before were the same"
                                .formatted(line, compared));
            }
            if (call.vcpu() >= domain.vcpus()) {
                throw new ReplayException(
                        "line %d: the domain has no vCPU %d".formatted(line, call.vcpu()));
            }
        }
    }

    private ReplayReport.@Nullable Difference call(ReplayedDomain domain, TracedCall call)
            throws ReplayException {
        calls++;
        if (call.isWithin()) {
            List<TracedCall> all = within.computeIfAbsent(call.vcpu(), _ -> new ArrayList<>());
            if (all.size() == MAX_WITHIN) {
                throw new ReplayException("line %d: a multicall without an end".formatted(line));
            }
            all.add(call);
            return null;
        }
        List<TracedCall> inner = within.remove(call.vcpu());
        if (inner == null) {
            return one(domain, call, judge(call));
        }
        Judgement.Way way = Judgement.Way.ALL;
        for (TracedCall each : inner) {
            Judgement judgement = judge(each);
            way = judgement.way().compareTo(way) > 0 ? judgement.way() : way;
        }
        if (call.result() == 0 && way.compareTo(Judgement.Way.SHAPE) <= 0) {
            compared += inner.size();
            return one(domain, call, new Judgement(way, "contains a call that gives a time"));
        }
        // The whole multicall cannot be made, or ended in the middle. So the calls that it has made
        // are made one by one.
        for (TracedCall each : inner) {
            ReplayReport.Difference difference = one(domain, each, judge(each));
            if (difference != null) {
                return difference;
            }
        }
        skip("a multicall that was made as single calls");
        return null;
    }

    private Judgement judge(TracedCall call) {
        return Judgement.of(table.lookup(call.number(), call.word(0)), call, self);
    }

    private void skip(String reason) {
        skipped.merge(reason, 1L, Long::sum);
    }

    private ReplayReport.@Nullable Difference one(
            ReplayedDomain domain, TracedCall call, Judgement judgement) {
        if (domain.isShutDown()) {
            skip("made after the guest had shut down");
            return null;
        }
        Optional<Map<Long, Byte>> given = RecordedBytes.given(call);
        if (given.isEmpty()) {
            skip("the guest changed its argument meanwhile");
            return null;
        }
        return switch (judgement.way()) {
            case NOTHING -> {
                skip(judgement.reason());
                yield null;
            }
            case PORT -> port(domain, call, judgement.reason());
            case ALL, SHAPE, EFFECT -> {
                if (!domain.give(given.get())) {
                    skip("its argument is in a page of another domain");
                    yield null;
                }
                Judgement actual =
                        domain.isInSharedPage(call)
                                ? new Judgement(
                                        Judgement.Way.EFFECT,
                                        "its argument is in a page shared with Xen")
                                : judgement;
                yield compare(call, domain.make(call), actual);
            }
        };
    }

    private ReplayReport.@Nullable Difference port(
            ReplayedDomain domain, TracedCall call, String reason) {
        skip(reason);
        long remote = Judgement.remote(call).orElse(0L);
        long expected = Judgement.localPort(call).orElse(0L);
        long port = domain.allocateFor(new DomId(Math.toIntExact(remote)));
        return port == expected
                ? null
                : new ReplayReport.Difference(
                        line,
                        "the port differs",
                        text.line(call),
                        "port " + port + " in its stead");
    }

    private ReplayReport.@Nullable Difference compare(
            TracedCall recorded, TracedCall computed, Judgement judgement) {
        // Only the traced domain and domain 0 exist in a replay.
        boolean ofAnother =
                recorded.result() != computed.result()
                        && isRefusalOfAnother(recorded)
                        && isRefusalOfAnother(computed);
        if (judgement.way() == Judgement.Way.EFFECT || ofAnother) {
            skip(ofAnother ? "names another domain" : judgement.reason());
            return null;
        }
        compared++;
        if (recorded.result() != computed.result()) {
            return difference("the result differs", recorded, computed);
        }
        Map<Long, Byte> expected = RecordedBytes.written(recorded);
        Map<Long, Byte> written = RecordedBytes.written(computed);
        if (judgement.way() == Judgement.Way.SHAPE) {
            partly.merge(judgement.reason(), 1L, Long::sum);
            return expected.keySet().equals(written.keySet())
                    ? null
                    : difference("it writes to other places", recorded, computed);
        }
        return expected.equals(written)
                ? null
                : difference("it writes other bytes", recorded, computed);
    }

    private static boolean isRefusalOfAnother(TracedCall call) {
        return call.result() == -XenError.EPERM.number()
                || call.result() == -XenError.ESRCH.number();
    }

    private ReplayReport.Difference difference(
            String what, TracedCall recorded, TracedCall computed) {
        return new ReplayReport.Difference(
                line, what + atTheSameTime(recorded), text.line(recorded), text.line(computed));
    }

    /// The order of two calls that overlap in time is not known.
    private String atTheSameTime(TracedCall call) {
        return last.entrySet().stream()
                .filter(other -> other.getKey() != call.vcpu())
                .map(Map.Entry::getValue)
                .filter(other -> other.end() > call.begin())
                .findFirst()
                .map(other -> ", but line %d was made at the same time".formatted(other.line()))
                .orElse("");
    }
}
