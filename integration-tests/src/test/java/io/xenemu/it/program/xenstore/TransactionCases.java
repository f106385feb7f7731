package io.xenemu.it.program.xenstore;

import static io.xenemu.it.program.xenstore.WireMessage.DIRECTORY;
import static io.xenemu.it.program.xenstore.WireMessage.GET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.MKDIR;
import static io.xenemu.it.program.xenstore.WireMessage.READ;
import static io.xenemu.it.program.xenstore.WireMessage.RM;
import static io.xenemu.it.program.xenstore.WireMessage.SET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.TRANSACTION_END;
import static io.xenemu.it.program.xenstore.WireMessage.TRANSACTION_START;
import static io.xenemu.it.program.xenstore.WireMessage.WRITE;

import java.util.List;

/// Cases about the view of a transaction, and about conflicts.
final class TransactionCases {
    private static final int UNKNOWN = 0x0bad_cafe;

    private TransactionCases() {}

    static List<ConformanceCase> all() {
        return List.of(
                new ConformanceCase(
                        "tx-isolation",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0old");
                            int tx = c.begin();
                            c.ask(tx, WRITE, "$/a\0new");
                            c.ask(tx, READ, "$/a\0");
                            other.ask(READ, "$/a\0");
                            c.commit(tx);
                            other.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "tx-abort",
                        c -> {
                            int tx = c.begin();
                            c.ask(tx, WRITE, "$/a\0new");
                            c.ask(tx, TRANSACTION_END, "F\0");
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "tx-snapshot",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0old");
                            int tx = c.begin();
                            other.ask(WRITE, "$/a\0new");
                            c.ask(tx, READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "tx-read-written-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0old");
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            c.ask(tx, WRITE, "$/b\0v");
                            other.ask(WRITE, "$/a\0new");
                            c.commit(tx);
                            c.ask(READ, "$/b\0");
                        }),
                new ConformanceCase(
                        "tx-read-only-changed-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0old");
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            other.ask(WRITE, "$/a\0new");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-read-same-value-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0v");
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            c.ask(tx, WRITE, "$/b\0v");
                            other.ask(WRITE, "$/a\0v");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-written-only-written-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0v");
                            int tx = c.begin();
                            c.ask(tx, WRITE, "$/a\0in");
                            other.ask(WRITE, "$/a\0out");
                            c.commit(tx);
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "tx-outside-before-write",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0v");
                            int tx = c.begin();
                            other.ask(WRITE, "$/a\0out");
                            c.ask(tx, WRITE, "$/a\0in");
                            c.commit(tx);
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "tx-unrelated-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0v");
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            c.ask(tx, WRITE, "$/a\0in");
                            other.ask(WRITE, "$/other\0v");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-different-children",
                        c -> {
                            Conversation other = c.other();
                            int tx = c.begin();
                            c.ask(tx, MKDIR, "$/a\0");
                            int second = other.begin();
                            other.ask(second, MKDIR, "$/b\0");
                            other.commit(second);
                            c.commit(tx);
                            c.ask(DIRECTORY, "$\0");
                        }),
                new ConformanceCase(
                        "tx-child-of-read-node-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0v");
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            c.ask(tx, WRITE, "$/b\0v");
                            other.ask(MKDIR, "$/a/child\0");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-directory-changed-outside",
                        c -> {
                            Conversation other = c.other();
                            int tx = c.begin();
                            c.ask(tx, DIRECTORY, "$\0");
                            c.ask(tx, WRITE, "$/a\0v");
                            other.ask(MKDIR, "$/b\0");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-perms-changed-outside",
                        c -> {
                            Conversation other = c.other();
                            int tx = c.begin();
                            c.ask(tx, GET_PERMS, "$\0");
                            c.ask(tx, WRITE, "$/a\0v");
                            other.ask(SET_PERMS, "$\0r0\0");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-removed-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a\0v");
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            other.ask(RM, "$/a\0");
                            c.ask(tx, WRITE, "$/a/b\0v");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-removes-outside-adds-below",
                        c -> {
                            Conversation other = c.other();
                            c.ask(MKDIR, "$/a\0");
                            int tx = c.begin();
                            c.ask(tx, RM, "$/a\0");
                            other.ask(MKDIR, "$/a/b\0");
                            c.commit(tx);
                            c.ask(DIRECTORY, "$\0");
                        }),
                new ConformanceCase(
                        "tx-missing-created-outside",
                        c -> {
                            Conversation other = c.other();
                            int tx = c.begin();
                            c.ask(tx, READ, "$/a\0");
                            c.ask(tx, WRITE, "$/b\0v");
                            other.ask(WRITE, "$/a\0v");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-missing-removed-parent-removed-outside",
                        c -> {
                            Conversation other = c.other();
                            c.ask(MKDIR, "$/a\0");
                            int tx = c.begin();
                            c.ask(tx, RM, "$/a/missing\0");
                            other.ask(RM, "$/a\0");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-special-perms",
                        c -> {
                            Conversation other = c.other();
                            c.ask(SET_PERMS, "@releaseDomain\0n0\0");
                            int tx = c.begin();
                            c.ask(tx, SET_PERMS, "@releaseDomain\0r0\0");
                            c.ask(tx, GET_PERMS, "@releaseDomain\0");
                            other.ask(GET_PERMS, "@releaseDomain\0");
                            c.ask(tx, TRANSACTION_END, "F\0");
                            c.ask(GET_PERMS, "@releaseDomain\0");
                        }),
                new ConformanceCase(
                        "tx-unknown-id-special",
                        c -> c.ask(UNKNOWN, GET_PERMS, "@releaseDomain\0")),
                new ConformanceCase("tx-unknown-id-read", c -> c.ask(UNKNOWN, READ, "$\0")),
                new ConformanceCase(
                        "tx-unknown-id-end", c -> c.ask(UNKNOWN, TRANSACTION_END, "T\0")),
                new ConformanceCase("tx-end-of-0", c -> c.ask(0, TRANSACTION_END, "T\0")),
                new ConformanceCase(
                        "tx-end-bad-argument",
                        c -> {
                            int tx = c.begin();
                            c.ask(tx, TRANSACTION_END, "X\0");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-end-twice",
                        c -> {
                            int tx = c.begin();
                            c.commit(tx);
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-in-tx",
                        c -> {
                            int tx = c.begin();
                            c.ask(tx, TRANSACTION_START, "\0");
                            c.commit(tx);
                        }),
                new ConformanceCase(
                        "tx-of-another-connection",
                        c -> {
                            Conversation other = c.other();
                            int tx = c.begin();
                            other.ask(tx, READ, "$\0");
                        }));
    }
}
