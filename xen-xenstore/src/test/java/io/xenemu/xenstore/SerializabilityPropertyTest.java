package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
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
import net.jqwik.api.Tuple;
import org.jspecify.annotations.Nullable;

/// Transactions of several clients and requests outside of them, in any order. A second server does one thing at a
/// time: a request outside at once, a whole transaction at its commit. If that succeeds, every one of its answers is
/// the one that the second server gives then. Few nodes, tight quotas and every type of request, so that most commits
/// come near a conflict.
class SerializabilityPropertyTest {
    private static final List<Integer> DOMAINS = List.of(0, 0, 3, 4);
    private static final Set<MessageType> CHANGES =
            Set.of(MessageType.WRITE, MessageType.MKDIR, MessageType.RM, MessageType.SET_PERMS);
    private static final Set<String> QUOTA_ERRORS = Set.of("ENOSPC", "ENOMEM");

    /// Room for a few children or a value, and for a few nodes of a guest.
    private static final Quotas TIGHT =
            Quotas.DEFAULT.with(Quota.NODE_SIZE, 44).with(Quota.NODES, 4);

    /// @param client index into DOMAINS
    /// @param inside whether in the client's transaction, which begins with its first request
    record Step(int client, boolean inside, String what, String path, String argument) {}

    /// Paths that have to do with each other. A round is about some of them.
    private static final List<List<String>> PATHS =
            List.of(
                    List.of("/a", "/a/b"),
                    List.of("/a/b", "/a/b/c"),
                    List.of("/a", "/a/b/c"),
                    List.of("/a/b", "/a/b/c", "/a/b/d", "/e"),
                    List.of("/a", "@introduceDomain"),
                    List.of("/a", "@releaseDomain", "@releaseDomain/3"),
                    List.of("/", "/a", "@none"));

    private static final Arbitrary<String> CHANGED =
            Arbitraries.of("WRITE", "MKDIR", "RM", "RM", "SET_PERMS");
    private static final Arbitrary<String> READ =
            Arbitraries.of(
                    "READ", "DIRECTORY", "DIRECTORY_PART", "GET_PERMS", "IS_DOMAIN_INTRODUCED");
    private static final Arbitrary<String> PERMISSIONS =
            Arbitraries.of("n0", "b0", "b0", "b3", "r0 b3", "b4 r3", "b3 n4", "n0 b32757");

    private static final Arbitrary<Integer> OTHERS = Arbitraries.of(0, 0, 0, 1, 2, 3);

    private static Arbitrary<List<Step>> steps(
            Arbitrary<Integer> client,
            boolean inside,
            Arbitrary<String> what,
            List<String> paths,
            int least,
            int most) {
        return Combinators.combine(client, what, Arbitraries.of(paths), PERMISSIONS)
                .as((c, w, path, permissions) -> new Step(c, inside, w, path, permissions))
                .list()
                .ofMinSize(least)
                .ofMaxSize(most);
    }

    /// Domain 0's first requests: they make a tree in which guests may do everything.
    @Provide
    Arbitrary<List<Step>> setUp() {
        return steps(
                Arbitraries.just(0),
                false,
                Arbitraries.of("MKDIR", "WRITE", "RM", "SET_PERMS"),
                List.of("/a", "/a/b", "/a/b/c", "/a/b/d", "/e"),
                0,
                3);
    }

    /// Short transactions, each with little that happens meanwhile: the less else a transaction depends on, the sooner
    /// it shows what it should depend on. Some go on while others begin and end.
    @Provide
    Arbitrary<List<Step>> rounds() {
        Arbitrary<String> outside =
                Arbitraries.frequencyOf(
                        Tuple.of(20, CHANGED),
                        Tuple.of(1, READ),
                        Tuple.of(1, Arbitraries.of("TARGET", "TARGET", "DIE")));
        Arbitrary<List<Step>> round =
                Combinators.combine(Arbitraries.integers().between(0, 3), Arbitraries.of(PATHS))
                        .flatAs((client, paths) ->
                                Combinators.combine(
                                                inside(client, paths),
                                                steps(OTHERS, false, outside, paths, 0, 2),
                                                Arbitraries.of("END", "END", "END", "READ"))
                                        .as((in, out, end) -> round(client, in, out, end)));
        return round.list()
                .ofMinSize(4)
                .ofMaxSize(12)
                .map(rounds -> rounds.stream().flatMap(List::stream).toList());
    }

    private static Arbitrary<List<Step>> inside(int client, List<String> paths) {
        return steps(
                Arbitraries.just(client),
                true,
                Arbitraries.oneOf(CHANGED, CHANGED, READ),
                paths,
                1,
                3);
    }

    private static List<Step> round(int client, List<Step> in, List<Step> out, String end) {
        List<Step> steps = new ArrayList<>(in);
        steps.addAll(out);
        steps.add(new Step(client, true, end, "/a", ""));
        return steps;
    }

    @Property(tries = 3000)
    void committedAnswersAreThoseOfASerialRun(
            @ForAll("setUp") List<Step> setUp, @ForAll("rounds") List<Step> rounds) {
        try (Run run = new Run()) {
            for (String allowed : List.of("/", "@introduceDomain")) {
                run.step(new Step(0, false, "SET_PERMS", allowed, "b0"));
            }
            run.step(new Step(0, false, "MKDIR", "/a/b", ""));
            setUp.forEach(run::step);
            rounds.forEach(run::step);
            run.endAll();
        }
    }

    /// A request, and what it was answered.
    private record Answered(MessageType type, String payload, String answer) {}

    private static final class Open {
        final int id;
        final long changesBefore;
        final List<Answered> answered = new ArrayList<>();

        Open(int id, long changesBefore) {
            this.id = id;
            this.changesBefore = changesBefore;
        }
    }

    private static final class Run implements AutoCloseable {
        final Rig rig = new Rig(TIGHT);
        final Rig serial = new Rig(TIGHT);
        final List<Rig.Client> clients = DOMAINS.stream().map(rig::client).toList();
        final List<Rig.Client> serially = DOMAINS.stream().map(serial::client).toList();
        final Map<Integer, Open> open = new HashMap<>();
        // Of everything that another transaction may depend on.
        long changes;

        void step(Step step) {
            switch (step.what) {
                case "END" -> end(step.client);
                case "TARGET" -> target(step.client, step.inside ? 3 : 4);
                case "DIE" -> die(DOMAINS.get(step.client));
                default -> request(step, step.inside ? transaction(step.client) : null);
            }
        }

        private Open transaction(int client) {
            return open.computeIfAbsent(
                    client, index -> new Open(clients.get(index).begin(), changes));
        }

        void endAll() {
            List.copyOf(open.keySet()).forEach(this::end);
        }

        private void end(int client) {
            Open transaction = open.remove(client);
            if (transaction != null) {
                end(client, transaction);
            }
        }

        private void target(int client, int target) {
            if (DOMAINS.get(client) != 0) {
                changes++;
                clients.get(client).session.target(new DomId(target));
                serially.get(client).session.target(new DomId(target));
            }
        }

        /// Its clients go on, as if a new domain of the id were there at once.
        private void die(int domain) {
            if (domain != 0) {
                changes++;
                rig.server.release(new DomId(domain));
                serial.server.release(new DomId(domain));
            }
        }

        private void request(Step step, @Nullable Open transaction) {
            MessageType type = MessageType.valueOf(step.what);
            String payload =
                    switch (type) {
                        case WRITE -> step.path + "\0" + step.argument;
                        case SET_PERMS ->
                                step.path + "\0" + step.argument.replace(' ', '\0') + "\0";
                        case DIRECTORY_PART -> step.path + "\0" + "0\0";
                        case IS_DOMAIN_INTRODUCED -> "3\0";
                        default -> step.path + "\0";
                    };
            if (transaction == null) {
                changes++;
                assertEquals(
                        answer(serially.get(step.client), 0, type, payload),
                        answer(clients.get(step.client), 0, type, payload));
                return;
            }
            String answer = answer(clients.get(step.client), transaction.id, type, payload);
            transaction.answered.add(new Answered(type, payload, answer));
        }

        /// A listing in parts without its generation, which is another one on each server.
        private static String answer(Rig.Client client, int tx, MessageType type, String payload) {
            String answer = client.ask(type, tx, payload);
            return type == MessageType.DIRECTORY_PART
                    ? answer.substring(answer.indexOf('\0') + 1)
                    : answer;
        }

        private void end(int client, Open transaction) {
            String outcome =
                    clients.get(client).ask(MessageType.TRANSACTION_END, transaction.id, "T\0");
            boolean reads =
                    transaction.answered.stream()
                            .noneMatch(answered ->
                                    CHANGES.contains(answered.type)
                                            && answered.answer.equals("OK\0"));
            if (reads) {
                assertEquals("OK\0", outcome); // its answers were true when it began
            } else if (outcome.equals("EAGAIN")) {
                assertTrue(changes > transaction.changesBefore, "a conflict with nobody");
            } else {
                replay(client, transaction, outcome);
                changes++;
                assertEquals(tree(serial), tree(rig));
            }
        }

        private void replay(int client, Open transaction, String outcome) {
            int id = serially.get(client).begin();
            for (Answered answered : transaction.answered) {
                String answer = answer(serially.get(client), id, answered.type, answered.payload);
                if (!outcome.equals("OK\0") && !answer.equals(answered.answer)) {
                    assertTrue(QUOTA_ERRORS.contains(outcome), outcome);
                    assertEquals(outcome, answer);
                    serially.get(client).ask(MessageType.TRANSACTION_END, id, "F\0");
                    return;
                }
                assertEquals(answered.answer, answer, answered.toString());
            }
            assertEquals(outcome, serially.get(client).ask(MessageType.TRANSACTION_END, id, "T\0"));
        }

        private static List<String> tree(Rig rig) {
            XenStoreState state = rig.server.save();
            return Stream.concat(
                            state.nodes().stream()
                                    .map(node ->
                                            node.path()
                                                    + " "
                                                    + HexFormat.of().formatHex(node.value())
                                                    + " "
                                                    + node.permissions()),
                            state.special().stream().map(SpecialState::toString))
                    .toList();
        }

        @Override
        public void close() {
            rig.close();
            serial.close();
        }
    }
}
