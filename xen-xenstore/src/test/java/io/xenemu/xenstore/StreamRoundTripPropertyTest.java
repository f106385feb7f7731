package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.DomainState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.stream.MigrationStream;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/// Any store, with open transactions, watches and half requests, goes through the stream into another server. That
/// server has the same store, writes the same bytes, and ends open transactions the same way.
class StreamRoundTripPropertyTest {
    private static final List<Integer> GUESTS = List.of(3, 4);

    /// @param domain 0 for a host tool, else a guest
    /// @param slot which of the guest's transactions; 0 for none
    record Step(int domain, int slot, String type, String path, String argument) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<String> path =
                Arbitraries.of(
                        "/",
                        "/a",
                        "/a/b",
                        "/a/b/c",
                        "/b",
                        "data",
                        "data/x",
                        "data/x/y",
                        "@release");
        Arbitrary<String> type =
                Arbitraries.frequencyOf(
                        Tuple.of(5, Arbitraries.of("WRITE")),
                        Tuple.of(3, Arbitraries.of("MKDIR", "RM", "SET_PERMS")),
                        Tuple.of(3, Arbitraries.of("READ", "DIRECTORY", "GET_PERMS")),
                        Tuple.of(3, Arbitraries.of("BEGIN", "BEGIN", "END")),
                        Tuple.of(2, Arbitraries.of("WATCH", "FLOOD", "SHUTDOWN", "TARGET")));
        return Combinators.combine(
                        Arbitraries.of(0, 3, 3, 4),
                        Arbitraries.integers().between(0, 2),
                        type,
                        path,
                        Arbitraries.of("n0", "n3", "r3 b4", "n4 w3", "b3"))
                .as(Step::new)
                .list()
                .ofMinSize(10)
                .ofMaxSize(60);
    }

    @Property(tries = 300)
    void exportAndImportAreTheIdentity(
            @ForAll("steps") List<Step> steps, @ForAll boolean cutRequest) throws Exception {
        try (Source source = new Source();
                Rig target = new Rig();
                Arena arena = Arena.ofConfined()) {
            steps.forEach(source::step);
            if (cutRequest) {
                source.cut();
            }
            XenStoreState saved = source.rig.server.save();
            byte[] stream = MigrationStream.encode(saved, 2);
            XenStoreState read = MigrationStream.decode(stream);
            assertArrayEquals(bytes(withoutNumbers(saved)), bytes(withoutNumbers(read)));

            target.existing.addAll(source.rig.existing);
            Map<Integer, RingEnd> moved = new HashMap<>();
            Map<DomId, RingConnection> connections =
                    target.server.restore(
                            read,
                            domain -> {
                                MemorySegment page = arena.allocate(4096, 8);
                                int id = domain.domain().value();
                                page.copyFrom(source.page(id).asSlice(0, 4096));
                                moved.put(id, new RingEnd(page, source.connection(id)));
                                return new Ring(page, () -> {}, Rig::unexpected, 0, domain.port());
                            });
            connections.forEach((domain, connection) ->
                    moved.computeIfPresent(
                            domain.value(), (id, end) -> new RingEnd(end.page(), connection)));
            XenStoreState restored = target.server.save();
            // What restoring has put into the rings does not wait any more.
            assertArrayEquals(bytes(withoutOutput(read)), bytes(withoutOutput(restored)));
            assertArrayEquals(
                    MigrationStream.encode(withoutOutput(read), 2),
                    MigrationStream.encode(withoutOutput(restored), 2));

            assertEquals(source.endAll(source.guests), source.endAll(moved));
            assertEquals(tree(source.rig.server), tree(target.server));
        }
    }

    /// Version 1 only lacks the features of the rings.
    @Property(tries = 50)
    void versionOneHasTheSameStateExceptFeatures(@ForAll("steps") List<Step> steps)
            throws Exception {
        try (Source source = new Source()) {
            steps.forEach(source::step);
            byte[] stream = MigrationStream.encode(source.rig.server.save(), 1);
            XenStoreState read = MigrationStream.decode(stream);
            assertArrayEquals(stream, MigrationStream.encode(read, 1));
            byte[] newer = MigrationStream.encode(source.rig.server.save(), 2);
            assertArrayEquals(
                    bytes(withoutFeatures(MigrationStream.decode(newer))),
                    bytes(withoutFeatures(read)));
        }
    }

    private static byte[] bytes(XenStoreState state) {
        return XenStoreCodec.encode(state).toBytes();
    }

    private static XenStoreState with(
            XenStoreState state, List<NodeState> nodes, List<DomainState> domains) {
        return new XenStoreState(
                nodes,
                state.special(),
                state.quotas(),
                state.descriptors(),
                domains,
                state.sockets());
    }

    /// Makes the fields equal for which the stream has no place.
    private static XenStoreState withoutNumbers(XenStoreState state) {
        List<NodeState> nodes =
                state.nodes().stream()
                        .map(n -> new NodeState(n.path(), n.value(), n.permissions(), 0, 0))
                        .toList();
        List<DomainState> domains =
                state.domains().stream().map(d -> copy(d, d.features(), d.connection())).toList();
        return with(state, nodes, domains);
    }

    private static XenStoreState withoutFeatures(XenStoreState state) {
        return with(
                state,
                state.nodes(),
                state.domains().stream()
                        .map(d -> copy(d, DomainState.FEATURES_UNKNOWN, d.connection()))
                        .toList());
    }

    private static XenStoreState withoutOutput(XenStoreState state) {
        return with(
                state,
                state.nodes(),
                state.domains().stream()
                        .map(d ->
                                copy(
                                        d,
                                        d.features(),
                                        new XenStoreState.ConnectionState(
                                                d.connection().input(),
                                                new byte[0],
                                                d.connection().watches(),
                                                d.connection().transactions())))
                        .toList());
    }

    private static DomainState copy(
            DomainState d, int features, XenStoreState.ConnectionState connection) {
        return new DomainState(
                d.domain(),
                d.target(),
                false,
                false,
                0,
                d.port(),
                features,
                d.quotas(),
                connection);
    }

    private static List<String> tree(XenStoreServer server) {
        List<String> lines = new ArrayList<>();
        lines(lines, Path.ROOT, server.access().store().root());
        return lines;
    }

    private static void lines(List<String> lines, Path path, Node node) {
        lines.add(
                path
                        + " "
                        + new String(node.value(), StandardCharsets.ISO_8859_1)
                        + " "
                        + node.permissions());
        node.children().inOrder().forEach(child -> lines(lines, path.child(child.name()), child));
    }

    /// The store that is exported.
    private static final class Source implements AutoCloseable {
        final Rig rig = new Rig();
        final Rig.Client dom0 = rig.client(0);
        final Map<Integer, RingEnd> guests = new HashMap<>();
        final Map<List<Integer>, Integer> open = new HashMap<>();
        boolean cut;

        Source() {
            for (int id : GUESTS) {
                guests.put(id, new RingEnd(rig.guest(id)));
                dom0.ask(MessageType.WRITE, "/local/domain/" + id + "/data\0" + id);
                dom0.ask(MessageType.SET_PERMS, "/local/domain/" + id + "/data\0n" + id + "\0r0\0");
            }
            dom0.ask(MessageType.WRITE, "/a/b\0value");
            dom0.ask(MessageType.SET_PERMS, "/a\0b0\0");
        }

        MemorySegment page(int id) {
            return Objects.requireNonNull(guests.get(id)).page();
        }

        RingConnection connection(int id) {
            return Objects.requireNonNull(guests.get(id)).connection();
        }

        void step(Step step) {
            switch (step.type) {
                case "FLOOD" -> flood();
                case "SHUTDOWN" -> rig.server.shutdown(new DomId(3));
                case "TARGET" -> dom0.ask(MessageType.SET_TARGET, "4\0" + "3\0");
                case "BEGIN", "END", "WATCH" -> {
                    if (step.domain != 0) {
                        guest(step, Objects.requireNonNull(guests.get(step.domain)));
                    }
                }
                default -> change(step);
            }
        }

        /// Sends a part of a request.
        void cut() {
            cut = true;
            Objects.requireNonNull(guests.get(3))
                    .send(RingEnd.message(MessageType.READ, 5, 0, "/a/b\0"), 18);
        }

        /// More events than a ring takes, for a watch that some guest may have.
        private void flood() {
            for (int i = 0; i < 40; i++) {
                dom0.ask(MessageType.WRITE, "/local/domain/3/data/flood-" + i + "\0");
            }
        }

        private void guest(Step step, RingEnd guest) {
            List<Integer> key = List.of(step.domain, step.slot);
            switch (step.type) {
                case "WATCH" ->
                        guest.ask(
                                MessageType.WATCH,
                                0,
                                (step.path.startsWith("@") ? "@releaseDomain" : step.path)
                                        + "\0"
                                        + step.argument
                                        + "\0");
                case "BEGIN" -> {
                    if (!open.containsKey(key)) {
                        String id = guest.ask(MessageType.TRANSACTION_START, 0, "\0");
                        open.put(key, Integer.parseInt(id.replace("\0", "")));
                    }
                }
                default -> {
                    Integer id = open.remove(key);
                    if (id != null) {
                        guest.ask(MessageType.TRANSACTION_END, id, "T\0");
                    }
                }
            }
        }

        private void change(Step step) {
            String payload =
                    step.path
                            + "\0"
                            + switch (step.type) {
                                case "WRITE" -> step.argument;
                                case "SET_PERMS" -> step.argument.replace(' ', '\0') + "\0";
                                default -> "";
                            };
            MessageType type = MessageType.valueOf(step.type);
            if (step.domain == 0) {
                dom0.ask(type, payload);
                return;
            }
            int id = open.getOrDefault(List.of(step.domain, step.slot), 0);
            Objects.requireNonNull(guests.get(step.domain)).ask(type, id, payload);
        }

        /// Commits all open transactions, always in the same order.
        List<String> endAll(Map<Integer, RingEnd> ends) {
            List<String> outcomes = new ArrayList<>();
            for (int id : GUESTS) {
                RingEnd end = Objects.requireNonNull(ends.get(id));
                if (id == 3 && cut) {
                    end.send(new byte[] {'/', 'b', 0}, 3);
                    outcomes.add(end.receive().getLast().text());
                }
                open.entrySet().stream()
                        .filter(entry -> entry.getKey().getFirst() == id)
                        .map(Map.Entry::getValue)
                        .sorted()
                        .forEach(tx -> outcomes.add(id + " " + tx + " " + outcome(end, tx)));
            }
            return outcomes;
        }

        private static String outcome(RingEnd end, int tx) {
            return end.ask(MessageType.TRANSACTION_END, tx, "T\0");
        }

        @Override
        public void close() {
            rig.close();
        }
    }
}
