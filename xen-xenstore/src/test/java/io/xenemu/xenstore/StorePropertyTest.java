package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import org.jspecify.annotations.Nullable;

/// Random requests from domain 0 and two guests, in and out of transactions, against [StoreModel].
class StorePropertyTest {
    private static final List<Integer> DOMAINS = List.of(0, 0, 3, 4);
    private static final Set<String> CHANGES = Set.of("WRITE", "MKDIR", "RM", "SET_PERMS");
    private static final List<Watched> WATCHED =
            List.of(
                    new Watched("/", Integer.MAX_VALUE),
                    new Watched("/a", Integer.MAX_VALUE),
                    new Watched("/a/b", Integer.MAX_VALUE),
                    new Watched("/b/a/b", Integer.MAX_VALUE),
                    new Watched("/", 0),
                    new Watched("/", 2),
                    new Watched("/a", 1),
                    new Watched("/b/a", 0));

    record Watched(String path, int depth) {
        String token() {
            return path + depth;
        }
    }

    /// @param client index into DOMAINS
    /// @param slot which of the client's transactions; 0 for none
    record Step(int client, int slot, StoreModel.Op op) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<String> path =
                Arbitraries.of("a", "b", "c")
                        .list()
                        .ofMaxSize(3)
                        .map(names -> "/" + String.join("/", names));
        Arbitrary<String> type =
                Arbitraries.frequencyOf(
                        Tuple.of(4, Arbitraries.of("WRITE")),
                        Tuple.of(2, Arbitraries.of("MKDIR", "RM", "SET_PERMS")),
                        Tuple.of(3, Arbitraries.of("READ", "DIRECTORY", "GET_PERMS")),
                        Tuple.of(3, Arbitraries.of("BEGIN", "END", "END", "ABORT")),
                        Tuple.of(1, Arbitraries.of("DIE")));
        Arbitrary<String> value = Arbitraries.of("", "x", "y");
        Arbitrary<String> permissions =
                Arbitraries.of(
                        "n0",
                        "r0",
                        "b0",
                        "n3",
                        "n0 b3",
                        "r3 b4",
                        "n4 r3",
                        "b0 n4",
                        "n0 r32757",
                        "n3 n4 b32757",
                        "n32757");
        Arbitrary<StoreModel.Op> op =
                Combinators.combine(type, path, value, permissions)
                        .as((t, p, v, perms) ->
                                new StoreModel.Op(t, p, t.equals("SET_PERMS") ? perms : v));
        return Combinators.combine(
                        Arbitraries.integers().between(0, 3),
                        Arbitraries.integers().between(0, 2),
                        op)
                .as(Step::new)
                .list()
                .ofMinSize(20)
                .ofMaxSize(120);
    }

    @Property(tries = 400)
    void behavesAsTheModel(@ForAll("steps") List<Step> steps) {
        try (Run run = new Run()) {
            steps.forEach(run::step);
            assertEquals("OK\0", run.clients.getFirst().ask(MessageType.CONTROL, "check\0"));
        }
    }

    /// The store and the model side by side.
    private static final class Run implements AutoCloseable {
        final Rig rig = new Rig();
        final List<Rig.Client> clients = DOMAINS.stream().map(rig::client).toList();
        final List<Rig.Client> watchers = List.of(rig.client(0), rig.client(3));
        final StoreModel model = new StoreModel();
        final Map<List<Integer>, Integer> ids = new HashMap<>();
        final Map<List<Integer>, StoreModel.Transaction> open = new HashMap<>();

        Run() {
            for (Rig.Client watcher : watchers) {
                for (Watched watched : WATCHED) {
                    String payload =
                            watched.path + "\0" + watched.token() + "\0" + watched.depth + "\0";
                    assertEquals("OK\0", watcher.ask(MessageType.WATCH, payload));
                }
                watcher.drain();
            }
        }

        void step(Step step) {
            List<Integer> key = List.of(step.client, step.slot);
            StoreModel.Transaction transaction = open.get(key);
            switch (step.op.type()) {
                case "BEGIN" -> {
                    if (transaction == null && step.slot != 0) {
                        ids.put(key, clients.get(step.client).begin());
                        open.put(key, new StoreModel.Transaction(model.copy()));
                    }
                }
                case "END", "ABORT" -> {
                    if (transaction != null) {
                        open.remove(key);
                        end(step, Objects.requireNonNull(ids.remove(key)), transaction);
                    }
                }
                case "DIE" -> die(DOMAINS.get(step.client));
                default ->
                        request(
                                step,
                                transaction == null ? 0 : Objects.requireNonNull(ids.get(key)),
                                transaction);
            }
            compareEvents();
        }

        /// Its clients go on, as if a new domain of the id were there at once.
        private void die(int domain) {
            if (domain != 0) {
                rig.server.release(new DomId(domain));
                model.forget(domain);
                open.values().forEach(transaction -> transaction.died.add(domain));
            }
        }

        private void request(Step step, int id, StoreModel.@Nullable Transaction transaction) {
            StoreModel.Op op = step.op;
            String payload =
                    op.path()
                            + "\0"
                            + switch (op.type()) {
                                case "WRITE" -> op.argument();
                                case "SET_PERMS" -> op.argument().replace(' ', '\0') + "\0";
                                default -> "";
                            };
            String answer =
                    clients.get(step.client).ask(MessageType.valueOf(op.type()), id, payload);
            StoreModel target = transaction == null ? model : transaction.view;
            assertEquals(target.run(DOMAINS.get(step.client), op), answer, step.toString());
            if (transaction != null) {
                transaction.answered.add(new StoreModel.Answered(op, answer));
            }
        }

        private void end(Step step, int id, StoreModel.Transaction transaction) {
            boolean commit = step.op.type().equals("END");
            String answer =
                    clients.get(step.client)
                            .ask(MessageType.TRANSACTION_END, id, commit ? "T\0" : "F\0");
            if (!commit || !hasChanged(transaction)) {
                // What was only read was true when the transaction started.
                assertEquals("OK\0", answer);
                return;
            }
            if (answer.equals("EAGAIN")) {
                assertTrue(
                        touchedNodeChanged(transaction) || namesDead(transaction),
                        "conflict without a change: " + step);
                return;
            }
            assertEquals("OK\0", answer);
            // Linearizable: done now, all at once, every answer is what the client was told.
            StoreModel trial = model.trial();
            for (StoreModel.Answered answered : transaction.answered) {
                assertEquals(
                        answered.answer(),
                        trial.run(DOMAINS.get(step.client), answered.op()),
                        step.toString());
            }
            model.become(trial);
            model.events.addAll(trial.events);
        }

        private static boolean hasChanged(StoreModel.Transaction transaction) {
            return transaction.answered.stream()
                    .anyMatch(answered ->
                            CHANGES.contains(answered.op().type())
                                    && answered.answer().equals("OK\0"));
        }

        private static boolean namesDead(StoreModel.Transaction transaction) {
            return transaction.answered.stream()
                    .filter(answered -> answered.op().type().equals("SET_PERMS"))
                    .flatMap(answered -> Stream.of(answered.op().argument().split(" ")))
                    .anyMatch(entry ->
                            transaction.died.contains(Integer.parseInt(entry.substring(1))));
        }

        private boolean touchedNodeChanged(StoreModel.Transaction transaction) {
            Map<String, StoreModel.Node> now = model.copy();
            for (StoreModel.Answered answered : transaction.answered) {
                for (String at = answered.op().path(); at != null; at = StoreModel.parent(at)) {
                    if (!Objects.equals(now.get(at), transaction.snapshot.get(at))) {
                        return true;
                    }
                }
                String inside = answered.op().path().equals("/") ? "/" : answered.op().path() + "/";
                List<String> before = below(transaction.snapshot, inside);
                if (!before.equals(below(now, inside))) {
                    return true; // its list of children
                }
            }
            return false;
        }

        private static List<String> below(Map<String, StoreModel.Node> nodes, String inside) {
            return nodes.keySet().stream()
                    .filter(path ->
                            path.startsWith(inside) && path.indexOf('/', inside.length()) < 0)
                    .toList();
        }

        private void compareEvents() {
            for (Rig.Client watcher : watchers) {
                int domain = watcher.session.caller().domain().value();
                List<String> expected = new ArrayList<>();
                for (StoreModel.Event event : model.events) {
                    for (Watched watched : WATCHED) {
                        if (StoreModel.fires(
                                event, model.events, watched.path, watched.depth, domain)) {
                            expected.add(event.path() + " " + watched.token());
                        }
                    }
                }
                // Equal events are merged, and a removal's deeper events may come in any order.
                assertEquals(
                        new TreeSet<>(expected),
                        new TreeSet<>(watcher.events()),
                        "domain " + domain);
            }
            model.events.clear();
        }

        @Override
        public void close() {
            rig.close();
        }
    }
}
