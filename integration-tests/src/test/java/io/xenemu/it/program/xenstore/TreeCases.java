package io.xenemu.it.program.xenstore;

import static io.xenemu.it.program.xenstore.WireMessage.DIRECTORY;
import static io.xenemu.it.program.xenstore.WireMessage.DIRECTORY_PART;
import static io.xenemu.it.program.xenstore.WireMessage.GET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.MKDIR;
import static io.xenemu.it.program.xenstore.WireMessage.READ;
import static io.xenemu.it.program.xenstore.WireMessage.RM;
import static io.xenemu.it.program.xenstore.WireMessage.SET_PERMS;
import static io.xenemu.it.program.xenstore.WireMessage.WRITE;

import java.io.IOException;
import java.util.List;

/// Reading and changing nodes, paths, and permissions.
final class TreeCases {
    private static final int CHILDREN = 400;
    private static final int CHILD_BYTES = "child-10000".length() + 1;

    private TreeCases() {}

    static List<ConformanceCase> all() {
        return List.of(
                new ConformanceCase(
                        "write-read",
                        c -> {
                            c.ask(WRITE, "$/a\0value");
                            c.ask(READ, "$/a\0");
                            c.ask(WRITE, "$/a\0");
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "binary-value",
                        c -> {
                            c.ask(WRITE, "$/a\0\1\0\u00ff\0");
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "write-makes-parents",
                        c -> {
                            c.ask(WRITE, "$/a/b/c\0v");
                            c.ask(READ, "$/a\0");
                            c.ask(DIRECTORY, "$/a\0");
                        }),
                new ConformanceCase("read-missing", c -> c.ask(READ, "$/a\0")),
                new ConformanceCase("read-below-missing", c -> c.ask(READ, "$/a/b/c\0")),
                new ConformanceCase("directory-missing", c -> c.ask(DIRECTORY, "$/a\0")),
                new ConformanceCase("directory-empty", c -> c.ask(DIRECTORY, "$\0")),
                new ConformanceCase(
                        "directory-order",
                        c -> {
                            c.ask(MKDIR, "$/c\0");
                            c.ask(MKDIR, "$/a\0");
                            c.ask(MKDIR, "$/b\0");
                            c.ask(DIRECTORY, "$\0");
                        }),
                new ConformanceCase(
                        "directory-too-long",
                        c -> {
                            manyChildren(c);
                            c.ask(DIRECTORY, "$\0");
                        }),
                new ConformanceCase(
                        "directory-part",
                        c -> {
                            manyChildren(c);
                            int first = names(c, "0");
                            int second = names(c, Integer.toString(first));
                            c.note((first + second) / CHILD_BYTES + " names");
                        }),
                new ConformanceCase(
                        "directory-part-bad-offset",
                        c -> c.note(names(c, "x") + " bytes of names")),
                new ConformanceCase("directory-part-no-offset", c -> c.ask(DIRECTORY_PART, "$\0")),
                new ConformanceCase(
                        "mkdir-twice",
                        c -> {
                            c.ask(WRITE, "$/a\0v");
                            c.ask(MKDIR, "$/a\0");
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "mkdir-makes-parents",
                        c -> {
                            c.ask(MKDIR, "$/a/b\0");
                            c.ask(DIRECTORY, "$\0");
                        }),
                new ConformanceCase(
                        "rm",
                        c -> {
                            c.ask(WRITE, "$/a/b\0v");
                            c.ask(RM, "$/a\0");
                            c.ask(READ, "$/a/b\0");
                            c.ask(DIRECTORY, "$\0");
                        }),
                new ConformanceCase("rm-missing", c -> c.ask(RM, "$/a\0")),
                new ConformanceCase("rm-below-missing", c -> c.ask(RM, "$/a/b\0")),
                new ConformanceCase(
                        "relative-path",
                        c -> {
                            c.ask(WRITE, "relative\0v");
                            c.ask(READ, "/local/domain/0/relative\0");
                            c.ask(RM, "relative\0");
                        }),
                new ConformanceCase("empty-path", c -> c.ask(READ, "\0")),
                new ConformanceCase("double-slash", c -> c.ask(READ, "$//a\0")),
                new ConformanceCase("trailing-slash", c -> c.ask(WRITE, "$/a/\0v")),
                new ConformanceCase("bad-character", c -> c.ask(WRITE, "$/a.b\0v")),
                new ConformanceCase("high-character", c -> c.ask(WRITE, "$/\u00e9\0v")),
                new ConformanceCase(
                        "every-character",
                        c -> {
                            c.ask(WRITE, "$/azAZ09-_@\0v");
                            c.ask(READ, "$/azAZ09-_@\0");
                        }),
                new ConformanceCase("special-read", c -> c.ask(READ, "@introduceDomain\0")),
                new ConformanceCase("special-write", c -> c.ask(WRITE, "@introduceDomain\0v")),
                new ConformanceCase("special-mkdir", c -> c.ask(MKDIR, "@other\0")),
                new ConformanceCase(
                        "value-of-2000",
                        c -> {
                            c.ask(WRITE, "$/a\0" + "v".repeat(2000));
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase(
                        "value-of-4000",
                        c -> {
                            c.ask(WRITE, "$/a\0" + "v".repeat(4000));
                            c.ask(READ, "$/a\0");
                        }),
                new ConformanceCase("path-of-1000", c -> longPath(c, 1000)),
                new ConformanceCase("path-of-2000", c -> longPath(c, 2000)),
                new ConformanceCase("path-of-3000", c -> longPath(c, 3000)),
                new ConformanceCase("path-of-3100", c -> longPath(c, 3100)),
                new ConformanceCase(
                        "perms-of-new-node",
                        c -> {
                            c.ask(SET_PERMS, "$\0n5\0r6\0w7\0b8\0");
                            c.ask(MKDIR, "$/a\0");
                            c.ask(GET_PERMS, "$/a\0");
                        }),
                new ConformanceCase("perms-missing", c -> c.ask(GET_PERMS, "$/a\0")),
                new ConformanceCase(
                        "set-perms",
                        c -> {
                            c.ask(SET_PERMS, "$\0r0\0");
                            c.ask(GET_PERMS, "$\0");
                            c.ask(SET_PERMS, "$\0n0\0r7\0");
                            c.ask(GET_PERMS, "$\0");
                        }),
                new ConformanceCase(
                        "set-perms-twice-one-domain",
                        c -> {
                            c.ask(SET_PERMS, "$\0n0\0r7\0w7\0");
                            c.ask(GET_PERMS, "$\0");
                        }),
                new ConformanceCase("set-perms-no-entry", c -> c.ask(SET_PERMS, "$\0")),
                new ConformanceCase("set-perms-bad-letter", c -> c.ask(SET_PERMS, "$\0x0\0")),
                new ConformanceCase("set-perms-bad-number", c -> c.ask(SET_PERMS, "$\0rx\0")),
                new ConformanceCase("set-perms-missing", c -> c.ask(SET_PERMS, "$/a\0n0\0")),
                new ConformanceCase(
                        "set-perms-unknown-owner",
                        c -> {
                            c.ask(SET_PERMS, "$\0n77\0");
                            c.ask(GET_PERMS, "$\0");
                        }),
                new ConformanceCase("perms-of-special", c -> c.ask(GET_PERMS, "@releaseDomain\0")));
    }

    private static void manyChildren(Conversation c) throws IOException {
        for (int i = 0; i < CHILDREN; i++) {
            c.prepare(MKDIR, "$/child-" + (10_000 + i) + "\0");
        }
    }

    /// How many bytes of names there are from an offset on. How many fit in one answer depends on the generation's
    /// length.
    private static int names(Conversation c, String offset) throws IOException {
        String part = c.prepare(DIRECTORY_PART, "$\0" + offset + "\0");
        return part.length() - part.indexOf('\0') - 1;
    }

    private static void longPath(Conversation c, int length) throws IOException {
        String path = ("/conformance/long" + ("/" + "n".repeat(99)).repeat(length / 100 + 1));
        path = path.substring(0, length - 1) + "e";
        c.ask(WRITE, path + "\0v");
        c.ask(READ, path + "\0");
    }
}
