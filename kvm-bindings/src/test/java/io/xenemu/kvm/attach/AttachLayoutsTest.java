package io.xenemu.kvm.attach;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.xenemu.kvm.socket.MessageSocket;
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

/// Compares [AttachLayouts] with what a C compiler makes of `xen_attach_wire.h`. Each side has to be complete.
class AttachLayoutsTest {
    private static final Path NATIVE = Path.of("src/main/native").toAbsolutePath();
    private static final Path HEADER = NATIVE.resolve("xen_attach_wire.h");
    private static final Pattern STRUCTURE =
            Pattern.compile("^struct (xa_\\w+) \\{(.*?)^\\};", Pattern.MULTILINE | Pattern.DOTALL);
    private static final Pattern MEMBER = Pattern.compile("(\\w+)(?:\\[\\w+])?;");
    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/", Pattern.DOTALL);
    private static final Pattern NUMBER =
            Pattern.compile("^(?:#define|    )\\s*XA_(\\w+) =? ?([\\w()<-]+)", Pattern.MULTILINE);

    @TempDir private Path folder = Path.of("");

    @Test
    void structuresAreThoseOfTheHeader() throws Exception {
        StringBuilder checks = new StringBuilder();
        for (StructLayout layout : AttachLayouts.ALL) {
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
        compile(checks.toString());
    }

    private static void check(StringBuilder checks, String expression, long value) {
        checks.append(
                "_Static_assert(%s == %d, \"%s\");%n".formatted(expression, value, expression));
    }

    @Test
    void numbersAreThoseOfTheHeader() throws Exception {
        StringBuilder checks = new StringBuilder();
        int count = 0;
        for (Field field : AttachLayouts.class.getDeclaredFields()) {
            if (field.getType() == int.class || field.getType() == long.class) {
                check(checks, "(long long)XA_" + field.getName(), field.getLong(null));
                count++;
            }
        }
        compile(checks.toString());
        assertEquals(true, count > 20);
    }

    private void compile(String checks) throws Exception {
        Path source = folder.resolve("layouts.c");
        Files.writeString(source, "#include <stddef.h>\n#include \"xen_attach_wire.h\"\n" + checks);
        String _ =
                Tool.run(
                        Tool.need("gcc", "gcc libc6-dev linux-libc-dev"),
                        "-std=c11",
                        "-fsyntax-only",
                        "-I" + NATIVE,
                        source.toString());
    }

    @Test
    void everyStructureAndMemberOfTheHeaderIsDeclared() throws IOException {
        String header = COMMENT.matcher(Files.readString(HEADER)).replaceAll("");
        Set<String> theirs = new TreeSet<>();
        Matcher structure = STRUCTURE.matcher(header);
        while (structure.find()) {
            List<String> members = new ArrayList<>();
            Matcher member = MEMBER.matcher(structure.group(2));
            while (member.find()) {
                members.add(member.group(1));
            }
            theirs.add(structure.group(1) + members);
        }
        Set<String> ours = new TreeSet<>();
        for (StructLayout layout : AttachLayouts.ALL) {
            ours.add(
                    layout.name().orElseThrow()
                            + layout.memberLayouts().stream()
                                    .map(it -> it.name().orElseThrow())
                                    .toList());
        }
        assertEquals(theirs, ours);
    }

    @Test
    void everyTypeOfMessageIsDeclared() throws IOException {
        String header = COMMENT.matcher(Files.readString(HEADER)).replaceAll("");
        Matcher number = NUMBER.matcher(header);
        int count = 0;
        while (number.find()) {
            String name = number.group(1);
            if (number.group(2).matches("\\d+")) {
                assertEquals(Long.parseLong(number.group(2)), declared(name), name);
                count++;
            }
        }
        assertEquals(true, count > 15, count + " numbers");
    }

    /// The value of a number, which may be one that only `xen_attach.h`'s users or the service's limits need.
    private static long declared(String name) {
        try {
            return AttachLayouts.class.getDeclaredField(name).getLong(null);
        } catch (NoSuchFieldException e) {
            return switch (name) {
                case "MAX_BYTES" -> MessageSocket.MAX_BYTES;
                case "MAX_VCPUS" -> AttachMessage.MAX_VCPUS;
                case "FEATURES" -> 0;
                default -> fail("XA_" + name + " is not declared");
            };
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }
}
