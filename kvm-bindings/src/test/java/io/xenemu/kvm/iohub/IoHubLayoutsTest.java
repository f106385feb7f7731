package io.xenemu.kvm.iohub;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Compares [IoHubLayouts] with what a C compiler makes of `xen_iohub_wire.h`. Each side has to be complete.
class IoHubLayoutsTest {
    private static final Path NATIVE = Path.of("src/main/native").toAbsolutePath();
    private static final Path HEADER = NATIVE.resolve("xen_iohub_wire.h");
    private static final Pattern STRUCTURE =
            Pattern.compile("^struct (xi_\\w+) \\{(.*?)^\\};", Pattern.MULTILINE | Pattern.DOTALL);
    private static final Pattern MEMBER = Pattern.compile("(\\w+);");
    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/", Pattern.DOTALL);
    private static final Pattern NUMBER =
            Pattern.compile("^(?:#define|    )\\s*XI_(\\w+) (?:= )?\\w", Pattern.MULTILINE);

    @TempDir private Path folder = Path.of("");

    private static String header() throws IOException {
        return COMMENT.matcher(Files.readString(HEADER)).replaceAll("");
    }

    private static void check(StringBuilder checks, String expression, long value) {
        checks.append(
                "_Static_assert(%s == %d, \"%s\");%n".formatted(expression, value, expression));
    }

    @Test
    void structuresAndNumbersAreThoseOfTheHeader() throws Exception {
        StringBuilder checks = new StringBuilder();
        for (StructLayout layout : IoHubLayouts.ALL) {
            String name = "struct " + layout.name().orElseThrow();
            check(checks, "sizeof(" + name + ")", layout.byteSize());
            long at = 0;
            for (MemoryLayout member : layout.memberLayouts()) {
                String path = member.name().orElseThrow();
                check(checks, "offsetof(" + name + ", " + path + ")", at);
                check(checks, "sizeof(((" + name + " *)0)->" + path + ")", member.byteSize());
                at += member.byteSize();
            }
        }
        Set<String> numbers = new TreeSet<>();
        for (Field field : IoHubLayouts.class.getDeclaredFields()) {
            if (field.getType() == int.class) {
                numbers.add(field.getName());
                check(checks, "(long long)XI_" + field.getName(), field.getLong(null));
            }
        }
        Path source = folder.resolve("layouts.c");
        Files.writeString(source, "#include <stddef.h>\n#include \"xen_iohub_wire.h\"\n" + checks);
        String _ =
                Tool.run(
                        Tool.need("gcc", "gcc libc6-dev linux-libc-dev"),
                        "-std=c11",
                        "-fsyntax-only",
                        "-I" + NATIVE,
                        source.toString());
        Set<String> theirs = new TreeSet<>();
        Matcher number = NUMBER.matcher(header());
        while (number.find()) {
            theirs.add(number.group(1));
        }
        assertEquals(theirs, numbers);
    }

    @Test
    void everyStructureAndMemberOfTheHeaderIsDeclared() throws IOException {
        Set<String> theirs = new TreeSet<>();
        Matcher structure = STRUCTURE.matcher(header());
        while (structure.find()) {
            List<String> members = new ArrayList<>();
            Matcher member = MEMBER.matcher(structure.group(2));
            while (member.find()) {
                members.add(member.group(1));
            }
            theirs.add(structure.group(1) + members);
        }
        Set<String> ours = new TreeSet<>();
        for (StructLayout layout : IoHubLayouts.ALL) {
            ours.add(
                    layout.name().orElseThrow()
                            + layout.memberLayouts().stream()
                                    .map(it -> it.name().orElseThrow())
                                    .toList());
        }
        assertEquals(theirs, ours);
    }
}
