package io.xenemu.it.program.xenstore;

import static io.xenemu.it.program.xenstore.WireMessage.CONTROL;
import static io.xenemu.it.program.xenstore.WireMessage.GET_DOMAIN_PATH;
import static io.xenemu.it.program.xenstore.WireMessage.GET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.INTRODUCE;
import static io.xenemu.it.program.xenstore.WireMessage.IS_DOMAIN_INTRODUCED;
import static io.xenemu.it.program.xenstore.WireMessage.PAYLOAD_MAX;
import static io.xenemu.it.program.xenstore.WireMessage.READ;
import static io.xenemu.it.program.xenstore.WireMessage.RELEASE;
import static io.xenemu.it.program.xenstore.WireMessage.RESUME;
import static io.xenemu.it.program.xenstore.WireMessage.RM;
import static io.xenemu.it.program.xenstore.WireMessage.SET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.SET_TARGET;
import static io.xenemu.it.program.xenstore.WireMessage.TRANSACTION_END;
import static io.xenemu.it.program.xenstore.WireMessage.WATCH;
import static io.xenemu.it.program.xenstore.WireMessage.WRITE;

import java.util.List;

/// Cases about domains, the daemon itself, and messages that no client should send.
final class DomainCases {
    private static final int UNKNOWN_TYPE = 4711;

    private DomainCases() {}

    static List<ConformanceCase> all() {
        return List.of(
                new ConformanceCase(
                        "domain-path",
                        c -> {
                            c.ask(GET_DOMAIN_PATH, "0\0");
                            c.ask(GET_DOMAIN_PATH, "7\0");
                        }),
                new ConformanceCase("domain-path-bad", c -> c.ask(GET_DOMAIN_PATH, "abc\0")),
                new ConformanceCase("domain-path-large", c -> c.ask(GET_DOMAIN_PATH, "65536\0")),
                new ConformanceCase(
                        "is-introduced",
                        c -> {
                            c.ask(IS_DOMAIN_INTRODUCED, "0\0");
                            c.ask(IS_DOMAIN_INTRODUCED, "7\0");
                            c.ask(IS_DOMAIN_INTRODUCED, "32752\0");
                        }),
                new ConformanceCase(
                        "introduce-missing", c -> c.ask(INTRODUCE, "7\0" + "1\0" + "1\0")),
                new ConformanceCase("introduce-few-arguments", c -> c.ask(INTRODUCE, "7\0")),
                new ConformanceCase("release-missing", c -> c.ask(RELEASE, "7\0")),
                new ConformanceCase("resume-missing", c -> c.ask(RESUME, "7\0")),
                new ConformanceCase("set-target-missing", c -> c.ask(SET_TARGET, "7\0" + "8\0")),
                new ConformanceCase("control-unknown", c -> c.ask(CONTROL, "no-such-command\0")),
                new ConformanceCase("control-empty", c -> c.ask(CONTROL, "\0")),
                new ConformanceCase("control-check", c -> c.ask(CONTROL, "check\0")),
                new ConformanceCase("unknown-type", c -> c.ask(UNKNOWN_TYPE, "$\0")),
                new ConformanceCase("read-without-nul", c -> c.ask(READ, "$")),
                new ConformanceCase("read-two-strings", c -> c.ask(READ, "$\0$\0")),
                new ConformanceCase("read-empty", c -> c.ask(READ, "")),
                new ConformanceCase("write-without-nul", c -> c.ask(WRITE, "$/a")),
                new ConformanceCase("watch-one-string", c -> c.ask(WATCH, "$/a")),
                new ConformanceCase(
                        "end-empty",
                        c -> {
                            int tx = c.begin();
                            c.ask(tx, TRANSACTION_END, "");
                        }),
                new ConformanceCase(
                        "payload-too-long",
                        c -> c.malformed(READ, "x".repeat(PAYLOAD_MAX + 1), PAYLOAD_MAX + 1)),
                new ConformanceCase("payload-huge", c -> c.malformed(READ, "", Integer.MAX_VALUE)),
                new ConformanceCase("payload-negative", c -> c.malformed(READ, "", -1)),
                new ConformanceCase(
                        "perms-of-unknown-special",
                        c -> {
                            c.ask(GET_PERMS, "@no-such-event\0");
                            c.ask(SET_PERMS, "@no-such-event\0n0\0");
                        }),
                new ConformanceCase("rm-special", c -> c.ask(RM, "@releaseDomain\0")));
    }
}
