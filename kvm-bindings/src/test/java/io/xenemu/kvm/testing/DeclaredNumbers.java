package io.xenemu.kvm.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/// Declared constants, beside those of the C compiler.
public final class DeclaredNumbers {
    private DeclaredNumbers() {}

    /// Compares static fields with the output of a C program: a line `TYPE.FIELD NUMBER` for each.
    ///
    /// @param program its source
    /// @param folder for its files
    /// @param packageOf gives the package of a type of this module
    public static void assertAreThoseOf(
            String program, Path folder, UnaryOperator<String> packageOf) throws Exception {
        Path source = Files.writeString(folder.resolve("probe.c"), program);
        Path probe = folder.resolve("probe");
        String gcc = Tool.need("gcc", "gcc libc6-dev linux-libc-dev");
        Tool.run(gcc, "-Wall", "-Werror", "-o", probe.toString(), source.toString());
        Map<String, Long> theirs = new TreeMap<>();
        Tool.run(probe.toString())
                .lines()
                .map(line -> line.split(" ", -1))
                .forEach(words -> theirs.put(words[0], Long.parseLong(words[1])));
        Map<String, Long> ours = new TreeMap<>();
        for (String name : theirs.keySet()) {
            ours.put(name, declared(name, packageOf));
        }
        assertEquals(theirs, ours);
    }

    private static long declared(String name, UnaryOperator<String> packageOf)
            throws ReflectiveOperationException {
        int dot = name.indexOf('.');
        String type = name.substring(0, dot);
        Field field =
                Class.forName(packageOf.apply(type) + "." + type)
                        .getDeclaredField(name.substring(dot + 1));
        field.setAccessible(true);
        return ((Number) field.get(null)).longValue();
    }
}
