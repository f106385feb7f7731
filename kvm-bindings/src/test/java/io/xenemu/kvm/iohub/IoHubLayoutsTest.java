package io.xenemu.kvm.iohub;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.testing.WireHeader;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Compares [IoHubLayouts] with what a C compiler makes of `xen_iohub_wire.h`. Each side has to be complete.
class IoHubLayoutsTest {
    private static final WireHeader HEADER = new WireHeader("xen_iohub_wire.h", "xi_");
    private static final Pattern NUMBER =
            Pattern.compile("^(?:#define|    )\\s*XI_(\\w+) (?:= )?\\w", Pattern.MULTILINE);

    @TempDir private Path folder = Path.of("");

    @Test
    void structuresAndNumbersAreThoseOfTheHeader() throws Exception {
        WireHeader.Checks checks = new WireHeader.Checks().structures(IoHubLayouts.ALL);
        Set<String> numbers = new TreeSet<>();
        for (Field field : IoHubLayouts.class.getDeclaredFields()) {
            if (field.getType() == int.class) {
                numbers.add(field.getName());
                checks.value("(long long)XI_" + field.getName(), field.getLong(null));
            }
        }
        HEADER.compile(folder, checks);
        Set<String> theirs = new TreeSet<>();
        Matcher number = NUMBER.matcher(HEADER.text());
        while (number.find()) {
            theirs.add(number.group(1));
        }
        assertEquals(theirs, numbers);
    }

    @Test
    void everyStructureAndMemberOfTheHeaderIsDeclared() throws IOException {
        HEADER.assertStructures(IoHubLayouts.ALL);
    }
}
