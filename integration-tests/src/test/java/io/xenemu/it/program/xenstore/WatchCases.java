package io.xenemu.it.program.xenstore;

import static io.xenemu.it.program.xenstore.WireMessage.MKDIR;
import static io.xenemu.it.program.xenstore.WireMessage.RESET_WATCHES;
import static io.xenemu.it.program.xenstore.WireMessage.RM;
import static io.xenemu.it.program.xenstore.WireMessage.SET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.UNWATCH;
import static io.xenemu.it.program.xenstore.WireMessage.WATCH;
import static io.xenemu.it.program.xenstore.WireMessage.WRITE;

import java.util.List;

/// Which changes fire which watches, and in which order.
final class WatchCases {
    private WatchCases() {}

    static List<ConformanceCase> all() {
        return List.of(
                new ConformanceCase(
                        "watch-first-event",
                        c -> {
                            c.ask(WATCH, "$/a\0token\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-write",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-own-write",
                        c -> {
                            watch(c, "$/a");
                            c.ask(WRITE, "$/a\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-below",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$");
                            other.ask(WRITE, "$/a/b/c\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-not-above",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a/b");
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-sibling-prefix",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            other.ask(WRITE, "$/ab\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-rm",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WRITE, "$/a/b\0v");
                            watch(c, "$/a");
                            watch(c, "$/a/b");
                            other.ask(RM, "$/a\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-missing-below-removed",
                        c -> {
                            Conversation other = c.other();
                            c.ask(MKDIR, "$/a\0");
                            watch(c, "$/a/missing");
                            other.ask(RM, "$/a\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-rm-missing",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            other.ask(RM, "$/a\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-mkdir-existing",
                        c -> {
                            Conversation other = c.other();
                            c.ask(MKDIR, "$/a\0");
                            watch(c, "$/a");
                            other.ask(MKDIR, "$/a\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-set-perms",
                        c -> {
                            Conversation other = c.other();
                            c.ask(MKDIR, "$/a\0");
                            watch(c, "$/a");
                            other.ask(SET_PERMS, "$/a\0r0\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-twice",
                        c -> {
                            c.ask(WATCH, "$/a\0token\0");
                            c.ask(WATCH, "$/a\0token\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-two-tokens",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            c.ask(WATCH, "$/a\0second\0");
                            c.events();
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-same-event-twice",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            other.ask(WRITE, "$/a\0" + "1");
                            other.ask(WRITE, "$/b\0" + "1");
                            other.ask(WRITE, "$/a\0" + "2");
                            c.events();
                        }),
                new ConformanceCase(
                        "unwatch",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            c.ask(UNWATCH, "$/a\0token\0");
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                        }),
                new ConformanceCase("unwatch-missing", c -> c.ask(UNWATCH, "$/a\0token\0")),
                new ConformanceCase("watch-no-token", c -> c.ask(WATCH, "$/a\0")),
                new ConformanceCase(
                        "watch-empty-token",
                        c -> {
                            c.ask(WATCH, "$/a\0\0");
                            c.events();
                        }),
                new ConformanceCase("watch-bad-path", c -> c.ask(WATCH, "$/a.b\0token\0")),
                new ConformanceCase(
                        "watch-relative",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "watched");
                            other.ask(WRITE, "/local/domain/0/watched\0v");
                            c.events();
                            other.ask(RM, "watched\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-special",
                        c -> {
                            c.ask(WATCH, "@introduceDomain\0token\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-unknown-special",
                        c -> {
                            c.ask(WATCH, "@other\0token\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "reset-watches",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$/a");
                            c.ask(RESET_WATCHES, "\0");
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-transaction",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$");
                            int tx = other.begin();
                            other.ask(tx, WRITE, "$/a\0" + "1");
                            other.ask(tx, WRITE, "$/b\0" + "1");
                            other.ask(tx, WRITE, "$/a\0" + "2");
                            c.events();
                            other.commit(tx);
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-transaction-aborted",
                        c -> {
                            Conversation other = c.other();
                            watch(c, "$");
                            int tx = other.begin();
                            other.ask(tx, WRITE, "$/a\0v");
                            other.ask(tx, WireMessage.TRANSACTION_END, "F\0");
                            c.events();
                        }),
                new ConformanceCase(
                        "watch-order",
                        c -> {
                            Conversation other = c.other();
                            c.ask(WATCH, "$\0first\0");
                            c.ask(WATCH, "$/a\0second\0");
                            c.ask(WATCH, "$\0third\0");
                            c.events();
                            other.ask(WRITE, "$/a\0v");
                            c.events();
                        }));
    }

    /// Watches without noting the first event.
    private static void watch(Conversation c, String path) throws java.io.IOException {
        c.prepare(WATCH, path + "\0token\0");
        c.events();
    }
}
