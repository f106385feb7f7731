package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.ioctl.KvmSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CpuPolicyCommandTest {
    private static final String HEAD =
            "xen-emu-cpu-policy 1\n0x0 eax=0x00000001 ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65\n";

    @TempDir private Path folder = Path.of("");

    private int code;
    private String output = "";
    private List<String> errors = List.of();

    private void run(Object... arguments) {
        List<String> words = new ArrayList<>(List.of("cpu-policy"));
        for (Object argument : arguments) {
            words.add(argument.toString());
        }
        CapturedRun run = CapturedRun.of(words.toArray(String[]::new));
        code = run.code();
        output = run.output();
        errors = run.errors();
    }

    private Path file(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }

    @Test
    void thisHostsPolicyIsInCommonWithItself() throws IOException {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "needs /dev/kvm");
        run();
        assertEquals(0, code);
        assertTrue(output.contains(" fpu vme "), output);
        Path file = folder.resolve("host.cpu");
        run("-o", file);
        String host = Files.readString(file);

        run("--intersect", file, file);
        assertEquals(host, output);
    }

    @Test
    void hostsHaveInCommonWhatAllHave() throws IOException {
        Path first = file("a", HEAD + "0x1 eax=0x2 ebx=0x800 ecx=0x00c00000 edx=0x07\n");
        Path second = file("b", HEAD + "0x1 eax=0x1 ebx=0x800 ecx=0x80800000 edx=0x13\n");
        run("--intersect", first, second);

        assertEquals(0, code);
        assertEquals(
                HEAD
                        + "0x1 eax=0x00000001 ebx=0x00000800 ecx=0x00800000 edx=0x00000003\n"
                        + "#   popcnt fpu vme\n",
                output);
    }

    @Test
    void wrongFilesAreNamed() throws IOException {
        Path good = file("good", HEAD);
        Path wrong = file("wrong", "policy");
        Path intel = file("intel", "xen-emu-cpu-policy 1\n0x0 eax=0x1 ebx=0x756e6547\n");
        refused(wrong + ": not a CPU policy of xen-emu", "--intersect", good, wrong);
        refused(folder + ": not a file", "--intersect", folder);
        refused(folder.resolve("no") + ": no such file", "--intersect", folder.resolve("no"));
        refused("the processors are of different vendors", "--intersect", good, intel);
        refused(
                folder.resolve("no/x") + ": cannot be written: no such file or directory",
                "-o",
                folder.resolve("no/x"),
                "--intersect",
                good);
    }

    @Test
    void wrongWordsOfAFileAreShownShortAndInPrint() throws IOException {
        Path escapes = file("escapes", HEAD + "0x1 eax=\033[31m\n");
        Path endless = file("long", HEAD + "0x1 " + "e".repeat(10_000) + "=1\n");
        refused(escapes + ": line 3: '?[31m' is not a number of 32 bits", "--intersect", escapes);
        refused(
                endless + ": line 3: '" + "e".repeat(40) + "...' is not eax, ebx, ecx or edx",
                "--intersect",
                endless);
    }

    private void refused(String message, Object... arguments) {
        run(arguments);
        assertEquals(1, code);
        assertEquals(List.of("xen-emu: " + message), errors);
    }
}
