package io.xenemu.kvm.attach;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.WireHeader;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Compares [AttachLayouts] with what a C compiler makes of `xen_attach_wire.h`. Each side has to be complete.
class AttachLayoutsTest {
    private static final WireHeader HEADER = new WireHeader("xen_attach_wire.h", "xa_");
    private static final Pattern NUMBER =
            Pattern.compile("^(?:#define|    )\\s*XA_(\\w+) =? ?([\\w()<-]+)", Pattern.MULTILINE);

    @TempDir private Path folder = Path.of("");

    @Test
    void structuresAreThoseOfTheHeader() throws Exception {
        HEADER.compile(folder, new WireHeader.Checks().structures(AttachLayouts.ALL));
    }

    @Test
    void numbersAreThoseOfTheHeader() throws Exception {
        WireHeader.Checks checks = new WireHeader.Checks();
        int count = 0;
        for (Field field : AttachLayouts.class.getDeclaredFields()) {
            if (field.getType() == int.class || field.getType() == long.class) {
                checks.value("(long long)XA_" + field.getName(), field.getLong(null));
                count++;
            }
        }
        HEADER.compile(folder, checks);
        assertEquals(true, count > 20);
    }

    @Test
    void everyStructureAndMemberOfTheHeaderIsDeclared() throws IOException {
        HEADER.assertStructures(AttachLayouts.ALL);
    }

    @Test
    void everyTypeOfMessageIsDeclared() throws IOException {
        Matcher number = NUMBER.matcher(HEADER.text());
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
