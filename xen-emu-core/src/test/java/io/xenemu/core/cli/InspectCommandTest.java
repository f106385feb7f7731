package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.collect.Lists;
import io.xenemu.core.migration.SavedStreams;
import io.xenemu.core.xenimage.TestImages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InspectCommandTest {
    @TempDir private Path folder = Path.of("");

    private int code;
    private List<String> output = List.of();
    private List<String> errors = List.of();

    private void run(String... arguments) {
        CapturedRun run = CapturedRun.of(Lists.asList("inspect", arguments).toArray(String[]::new));
        code = run.code();
        output = run.printed();
        errors = run.errors();
    }

    private String file(byte[] stream) throws IOException {
        return Files.write(folder.resolve("web.save"), stream).toString();
    }

    @Test
    void textHasGuestsFramesAndPages() throws IOException {
        byte[] stream = SavedStreams.golden("zstd");
        run(file(stream));
        assertEquals(List.of(), errors);
        assertEquals(0, code);
        assertEquals(
                List.of(
                        "guest web?2",
                        "  domain id 5, uuid 11223344-5566-7788-99aa-bbccddeeff00",
                        "  2 vCPUs, 0.2 MiB, saved 2027-01-15T08:00:00.123Z",
                        "  configuration: version 7, 4 bytes",
                        "    guest state has version 7, which this program does not know",
                        "  kernel /boot/vmlinuz: 5 bytes, in the file, sha256"
                                + " caf90169eefa5f807d577486b9f795ab86ae2983c5c20806cff959117e90af18",
                        "  state: 2 frames, 67 bytes",
                        "    DOMN version 3, 4 bytes",
                        "    0x00000102 version 9, 3 bytes",
                        "  RAM: 40 pages, 3 in the file, as 0.0 MiB in 1 sections, 1 of them"
                                + " compressed",
                        "whole: 1 guests, " + stream.length + " bytes"),
                output);
    }

    @Test
    void anImageOfXenIsTold() throws IOException {
        byte[] image = TestImages.image(2).bytes();
        run(file(image));
        assertEquals(List.of(), errors);
        assertEquals(
                List.of(
                        "guest web",
                        "  saved by Xen 4.17, uuid 0f0f0f0f-1111-2222-3333-444455556666",
                        "  2 vCPUs, APIC ids in steps of 2, 8.0 MiB",
                        "  kernel /boot/of-another-host: not in the file",
                        "  RAM: 2064 pages",
                        "  records: END 1, PAGE_DATA 3, X86_TSC_INFO 1, HVM_CONTEXT 1, HVM_PARAMS 1,"
                                + " STATIC_DATA_END 1, X86_CPUID_POLICY 1, X86_MSR_POLICY 1",
                        "whole: an image of xl, " + image.length + " bytes"),
                output);
        run("--json", file(image));
        assertEquals(1, output.size());
        assertTrue(output.getFirst().startsWith("{\"format\": \"xl\", "), output.getFirst());
    }

    @Test
    void anImageOfXenThatCannotBeImportedIsTold() throws IOException {
        byte[] image = TestImages.image(2).bytes();
        image[image.length - 8] = 3;
        String file = file(image);
        run(file);
        assertEquals(1, code);
        assertEquals(
                List.of(
                        "xen-emu: "
                                + file
                                + ": record EMULATOR_CONTEXT: it is the state of a device model,"
                                + " which cannot be had here"),
                errors);
    }

    @Test
    void jsonIsOneLine() throws IOException {
        byte[] stream = SavedStreams.golden("zstd");
        run("--json", file(stream));
        assertEquals(0, code);
        assertEquals(1, output.size());
        String line = output.getFirst();
        assertTrue(
                line.startsWith("{\"format\": 1, \"bytes\": " + stream.length + ", \"guests\": [{"),
                line);
        assertTrue(line.contains("\"name\": \"web\\u001b2\", \"domid\": 5, "), line);
        assertTrue(
                line.contains("\"frames\": [{\"type\": \"DOMN\", \"version\": 3, \"bytes\": 4}, {"),
                line);
        assertTrue(line.contains("\"ram\": {\"pages\": 40, \"saved-pages\": 3, "), line);
    }

    @Test
    void brokenFileIsOneLine() throws IOException {
        byte[] stream = SavedStreams.golden("plain");
        String file = file(Arrays.copyOf(stream, stream.length - 1));
        run(file);
        assertEquals(1, code);
        assertEquals(List.of(), output);
        assertEquals(List.of("xen-emu: " + file + ": the saved guest is cut off"), errors);
        file(Arrays.copyOf(stream, stream.length + 1));
        run("--json", file);
        assertEquals(List.of("xen-emu: " + file + ": there is more after its end"), errors);
        run(folder.resolve("none").toString());
        assertEquals(
                List.of("xen-emu: " + folder.resolve("none") + ": no such file or directory"),
                errors);
    }
}
