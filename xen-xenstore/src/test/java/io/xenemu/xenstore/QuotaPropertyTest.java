package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/// Two guests send any requests and read the answers in any way. Each stays within its quotas and gets back every byte
/// that it frees, and domain 0 is served as before.
class QuotaPropertyTest {
    private static final List<Integer> GUESTS = List.of(3, 4);
    private static final int MEMORY = 4000;

    private static final Quotas SMALL =
            Quotas.DEFAULT
                    .with(Quota.NODES, 12)
                    .with(Quota.WATCHES, 4)
                    .with(Quota.TRANSACTIONS, 2)
                    .with(Quota.TRANSACTION_NODES, 10)
                    .with(Quota.NODE_SIZE, 300)
                    .with(Quota.NODE_PERMISSIONS, 3)
                    .with(Quota.PATH_MAX, 40)
                    .with(Quota.OUTSTANDING, 3)
                    .with(Quota.MEMORY, MEMORY);

    /// Beyond its memory a guest gets a reply to a request, and one event when it has read everything.
    private static final int SLACK = 4 * (16 + 4096) + 16 + 4096;

    /// @param transaction which of the guest's, by number of those it was told of; none if there are not so many
    /// @param read whether the guest reads its ring afterwards
    record Step(int guest, MessageType type, int transaction, String payload, boolean read) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<MessageType> type =
                Arbitraries.frequencyOf(
                        Tuple.of(
                                6,
                                Arbitraries.of(
                                        MessageType.WRITE,
                                        MessageType.MKDIR,
                                        MessageType.RM,
                                        MessageType.WATCH,
                                        MessageType.SET_PERMS,
                                        MessageType.TRANSACTION_START)),
                        Tuple.of(2, Arbitraries.of(MessageType.class)));
        Arbitrary<String> path =
                Arbitraries.of("a", "b", "a/b", "a/b/c", "b/long-name-that-takes-room", "c/d/e/f")
                        .map(name -> "/shared/" + name);
        Arbitrary<String> rest =
                Arbitraries.oneOf(
                        Arbitraries.of("", "T", "n3\0r4\0", "n4\0b3\0r0\0", "t\0", "u\0" + "1\0"),
                        Arbitraries.integers().between(0, 400).map("x"::repeat));
        Arbitrary<String> payload =
                Arbitraries.oneOf(
                        Combinators.combine(path, rest).as((p, r) -> p + "\0" + r),
                        Arbitraries.of("", "\0", "T\0", "F\0", "3\0", "4\0nodes\0" + "99999\0"));
        return Combinators.combine(
                        Arbitraries.of(GUESTS),
                        type,
                        Arbitraries.integers().between(-2, 2),
                        payload,
                        Arbitraries.of(true, true, false))
                .as(Step::new)
                .list()
                .ofMinSize(20)
                .ofMaxSize(150);
    }

    @Property(tries = 300)
    void guestsStayWithinTheirQuotas(@ForAll("steps") List<Step> steps) {
        try (Rig rig = new Rig(SMALL)) {
            Rig.Client dom0 = rig.client(0);
            List<RingEnd> ends = new ArrayList<>();
            GUESTS.forEach(guest -> ends.add(new RingEnd(rig.guest(guest))));
            dom0.ask(MessageType.MKDIR, "/shared\0");
            dom0.ask(MessageType.SET_PERMS, "/shared\0b0\0");
            dom0.ask(MessageType.WRITE, "/x\0kept");
            List<List<Integer>> told = List.of(new ArrayList<>(), new ArrayList<>());
            for (Step step : steps) {
                int index = GUESTS.indexOf(step.guest);
                RingEnd end = ends.get(index);
                byte[] message =
                        RingEnd.message(
                                step.type, 1, transaction(told.get(index), step), step.payload);
                if (message.length
                        <= 1024 - (end.get(RingEnd.REQ_PROD) - end.get(RingEnd.REQ_CONS))) {
                    end.send(message, 1024);
                }
                if (step.read) {
                    note(end.receive(), told.get(index));
                }
                GUESTS.forEach(guest -> checkWithin(rig, guest));
                assertEquals("kept", dom0.ask(MessageType.READ, "/x\0"));
            }
            assertEquals("OK\0", dom0.ask(MessageType.CONTROL, "check\0"));
            giveBack(rig, dom0, ends);
        }
    }

    private static int transaction(List<Integer> told, Step step) {
        return step.transaction < 0 || step.transaction >= told.size()
                ? 0
                : told.get(told.size() - 1 - step.transaction);
    }

    private static void note(List<Rig.Reply> replies, List<Integer> told) {
        for (Rig.Reply reply : replies) {
            if (reply.type() == MessageType.TRANSACTION_START.code()) {
                told.add(Integer.parseInt(reply.text().replace("\0", "")));
            }
        }
    }

    private static void checkWithin(Rig rig, int guest) {
        Account account = rig.server.access().store().accounts().of(new DomId(guest));
        for (Quota quota :
                List.of(Quota.NODES, Quota.WATCHES, Quota.TRANSACTIONS, Quota.OUTSTANDING)) {
            assertTrue(account.used(quota) <= SMALL.limit(quota), quota + " of " + guest);
        }
        assertTrue(account.memory() <= MEMORY + SLACK, "memory: " + account.memory());
        assertTrue(account.memoryBesideNodes() >= 0, "memory: " + account.memoryBesideNodes());
    }

    private static void giveBack(Rig rig, Rig.Client dom0, List<RingEnd> ends) {
        for (RingEnd end : ends) {
            end.receive();
            end.ask(MessageType.RESET_WATCHES, 0, "\0");
        }
        dom0.ask(MessageType.RM, "/shared\0");
        for (RingEnd end : ends) {
            end.receive();
            Account account = rig.server.access().store().accounts().of(end.connection().domain());
            assertEquals(0, account.memory());
            assertEquals(0, account.watches());
            assertEquals(0, account.transactions());
        }
        assertEquals(0, rig.server.access().store().transactionCount());
    }
}
