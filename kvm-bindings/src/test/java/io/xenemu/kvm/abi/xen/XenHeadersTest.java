package io.xenemu.kvm.abi.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.testing.Tool;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Compares every declared layout with what a C compiler makes of Xen's public headers (Debian: gcc, libxen-dev). The
/// compiler only writes assembly, which the test reads, so the 32-bit half needs no 32-bit libraries.
class XenHeadersTest {
    private static final Path HEADERS = Path.of("/usr/include/xen");
    private static final List<String> INCLUDES =
            List.of(
                    "xen/xen.h",
                    "xen/event_channel.h",
                    "xen/vcpu.h",
                    "xen/sched.h",
                    "xen/hvm/hvm_op.h",
                    "xen/hvm/hvm_vcpu.h",
                    "xen/hvm/params.h",
                    "xen/memory.h",
                    "xen/grant_table.h",
                    "xen/version.h",
                    "xen/physdev.h",
                    "xen/domctl.h",
                    "xen/sysctl.h",
                    "xen/platform.h",
                    "xen/hvm/dm_op.h",
                    "xen/io/console.h",
                    "xen/io/netif.h",
                    "xen/io/xs_wire.h",
                    "xen/arch-x86/hvm/start_info.h");
    private static final Pattern FACT = Pattern.compile("@fact (.*?) = \\$?(-?\\d+)");

    /// Not in the public headers; its own test is below.
    private static final GuestStruct UNPUBLISHED = MemoryStructs.E820Entry.STRUCT;

    @TempDir private Path folder = Path.of("");

    @ParameterizedTest
    @EnumSource
    void layoutsAreThoseOfTheHeaders(GuestWidth width) throws Exception {
        assumeTrue(
                Files.isDirectory(HEADERS),
                "needs Xen's public headers: apt-get install libxen-dev");
        Map<String, Integer> declared = new TreeMap<>();
        StringBuilder probe = new StringBuilder();
        for (GuestStruct struct : DeclaredStructs.all()) {
            if (struct != UNPUBLISHED) {
                describe(struct, width, declared, probe);
            }
        }
        assertTrue(declared.size() > 500, "the probe is nearly empty");
        assertEquals(lines(declared), lines(compiled(width, probe.toString())));
    }

    @Test
    void e820EntryIsPackedInBothWidths() {
        for (GuestWidth width : GuestWidth.values()) {
            assertEquals(20, UNPUBLISHED.size(width));
            assertEquals(0, MemoryStructs.E820Entry.ADDR.offset(width));
            assertEquals(8, MemoryStructs.E820Entry.SIZE.offset(width));
            assertEquals(16, MemoryStructs.E820Entry.TYPE.offset(width));
        }
    }

    @Test
    void wallclockHighWordIsWhereEachLayoutHasIt() {
        assertEquals(0x924, SharedInfoStructs.SharedInfo.WC_SEC_HI.offset32());
        assertEquals(0xc0c, SharedInfoStructs.SharedInfo.WC_SEC_HI.offset64());
    }

    private static void describe(
            GuestStruct struct,
            GuestWidth width,
            Map<String, Integer> declared,
            StringBuilder probe) {
        String type = struct.name();
        fact(probe, "sizeof " + type, "sizeof(%s)".formatted(type));
        declared.put("sizeof " + type, struct.size(width));
        for (GuestStruct.Member member : struct.members()) {
            String name = member.name();
            if (member.field().size(width) == 0 || name.startsWith("[")) {
                continue;
            }
            fact(probe, type + " " + name, "__builtin_offsetof(%s, %s)".formatted(type, name));
            declared.put(type + " " + name, member.field().offset(width));
            fact(
                    probe,
                    "sizeof " + type + " " + name,
                    "sizeof(((%s *)0)->%s)".formatted(type, name));
            declared.put("sizeof " + type + " " + name, member.field().size(width));
        }
    }

    private static void fact(StringBuilder probe, String name, String expression) {
        probe.append(
                "    __asm__ volatile (\"@fact %s = %%0\" :: \"i\" (%s));\n"
                        .formatted(name, expression));
    }

    private Map<String, Integer> compiled(GuestWidth width, String facts) throws Exception {
        StringBuilder source = new StringBuilder("#include <stdint.h>\n");
        INCLUDES.forEach(header -> source.append("#include <" + header + ">\n"));
        source.append("void probe(void)\n{\n" + facts + "}\n");
        Path input = Files.writeString(folder.resolve("probe.c"), source);
        Path output = folder.resolve("probe.s");
        Tool.run(
                Tool.need("gcc", "gcc libc6-dev linux-libc-dev"),
                width == GuestWidth.BITS_64 ? "-m64" : "-m32",
                "-ffreestanding",
                "-fno-pic",
                "-D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__",
                "-D__XEN_TOOLS__",
                "-S",
                "-o",
                output.toString(),
                input.toString());
        Map<String, Integer> result = new TreeMap<>();
        Matcher matcher = FACT.matcher(Files.readString(output));
        while (matcher.find()) {
            result.put(matcher.group(1), Integer.parseInt(matcher.group(2)));
        }
        return result;
    }

    private static String lines(Map<String, Integer> facts) {
        StringBuilder text = new StringBuilder();
        facts.forEach((name, value) -> text.append(name + " = " + value + "\n"));
        return text.toString();
    }
}
