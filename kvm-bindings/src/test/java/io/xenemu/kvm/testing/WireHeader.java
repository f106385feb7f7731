package io.xenemu.kvm.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A header of a protocol, with which the layouts of this side are compared by a C compiler.
public final class WireHeader {
    private static final Path NATIVE = Path.of("src/main/native").toAbsolutePath();
    private static final Pattern MEMBER = Pattern.compile("(\\w+)(?:\\[\\w+])?;");
    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/", Pattern.DOTALL);

    private final String file;
    private final Pattern structure;

    /// @param file in the folder of native sources
    /// @param prefix of its structures' names
    public WireHeader(String file, String prefix) {
        this.file = file;
        structure =
                Pattern.compile(
                        "^struct (" + prefix + "\\w+) \\{(.*?)^\\};",
                        Pattern.MULTILINE | Pattern.DOTALL);
    }

    /// Its text without comments.
    public String text() throws IOException {
        return COMMENT.matcher(Files.readString(NATIVE.resolve(file))).replaceAll("");
    }

    /// What a C compiler is to check, as `_Static_assert`s.
    public static final class Checks {
        private final StringBuilder text = new StringBuilder();

        /// That an expression has a value.
        public Checks value(String expression, long value) {
            text.append(
                    "_Static_assert(%s == %d, \"%s\");%n".formatted(expression, value, expression));
            return this;
        }

        /// The size of each structure, and the place and size of each member.
        public Checks structures(List<StructLayout> layouts) {
            for (StructLayout layout : layouts) {
                String name = "struct " + layout.name().orElseThrow();
                value("sizeof(" + name + ")", layout.byteSize());
                long at = 0;
                for (MemoryLayout member : layout.memberLayouts()) {
                    String path = member.name().orElseThrow();
                    value("offsetof(" + name + ", " + path + ")", at);
                    value("sizeof(((" + name + " *)0)->" + path + ")", member.byteSize());
                    at += member.byteSize();
                }
            }
            return this;
        }
    }

    /// Has a C compiler check; a check that fails is an assertion error.
    ///
    /// @param folder for the source
    public void compile(Path folder, Checks checks) throws IOException, InterruptedException {
        Path source = folder.resolve("layouts.c");
        Files.writeString(
                source, "#include <stddef.h>\n#include \"%s\"\n%s".formatted(file, checks.text));
        String _ =
                Tool.run(
                        Tool.need("gcc", "gcc libc6-dev linux-libc-dev"),
                        "-std=c11",
                        "-fsyntax-only",
                        "-I" + NATIVE,
                        source.toString());
    }

    /// Asserts that its structures, with their members, are just these.
    public void assertStructures(List<StructLayout> layouts) throws IOException {
        Set<String> theirs = new TreeSet<>();
        Matcher found = structure.matcher(text());
        while (found.find()) {
            List<String> members = new ArrayList<>();
            Matcher member = MEMBER.matcher(found.group(2));
            while (member.find()) {
                members.add(member.group(1));
            }
            theirs.add(found.group(1) + members);
        }
        Set<String> ours = new TreeSet<>();
        for (StructLayout layout : layouts) {
            ours.add(
                    layout.name().orElseThrow()
                            + layout.memberLayouts().stream()
                                    .map(it -> it.name().orElseThrow())
                                    .toList());
        }
        assertEquals(theirs, ours);
    }
}
