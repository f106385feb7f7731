package io.xenemu.it.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import io.xenemu.it.program.JUnitInLab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The unit tests that are skipped where KVM has no Xen, on a real kernel. They cover every Xen ioctl and attribute,
/// the kernel's work for a guest, and the calls that a domain leaves to it.
@ExtendWith(LabExtension.class)
class XenKvmTestsIT {
    /// Half of the tests must not pass for all of them.
    private static final int TESTS_AT_LEAST = 90;

    /// A module's tests, by their names.
    ///
    /// @param module the module's folder
    /// @param folder the packages' common folder
    /// @param name matches the file of a test
    private record ModuleTests(String module, String folder, Pattern name) {
        Path classPath() {
            return Path.of("..", module, "target/test-classes").toAbsolutePath().normalize();
        }

        List<String> classes() throws IOException {
            try (Stream<Path> files = Files.walk(classPath().resolve(folder))) {
                return files.filter(file -> name.matcher(file.getFileName().toString()).matches())
                        .map(file -> classPath().relativize(file).toString())
                        .map(file -> file.replace(".class", "").replace('/', '.'))
                        .sorted()
                        .toList();
            }
        }
    }

    private static final List<ModuleTests> MODULES =
            List.of(
                    new ModuleTests(
                            "kvm-bindings",
                            "io/xenemu/kvm/ioctl",
                            Pattern.compile("\\w*Xen\\w*Test\\.class")),
                    new ModuleTests(
                            "xen-emu-core",
                            "io/xenemu/core",
                            Pattern.compile("\\w+XenTest\\.class")));

    @Test
    void xenSupportOfARealKernelIsAsDescribed(Lab lab) throws IOException, InterruptedException {
        List<String> classes = new ArrayList<>();
        for (ModuleTests each : MODULES) {
            classes.addAll(each.classes());
        }
        RunningCommand tests =
                lab.startJava(
                        MODULES.stream().map(ModuleTests::classPath).toList(),
                        JUnitInLab.class,
                        classes.toArray(String[]::new));
        int status = tests.awaitExit();
        String output = tests.output();

        assertEquals(0, status, output);
        Matcher result =
                Pattern.compile("junit: (\\d+) succeeded, (\\d+) skipped, 0 failed")
                        .matcher(output);
        assertTrue(result.find(), output);
        assertTrue(Integer.parseInt(result.group(1)) >= TESTS_AT_LEAST, output);
        // The one that looks at a KVM without Xen.
        assertEquals("1", result.group(2), output);
    }
}
