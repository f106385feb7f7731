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

/// The unit tests that are skipped where KVM has no Xen, on a real kernel: every Xen ioctl and attribute, what the kernel does
/// for a guest, and what a domain leaves to it.
@ExtendWith(LabExtension.class)
class XenKvmTestsIT {
    private static final Pattern XEN_TEST = Pattern.compile("(\\w*Xen\\w*Test)\\.class");

    /// Half of the tests must not pass for all of them.
    private static final int TESTS_AT_LEAST = 65;

    /// A package's tests.
    ///
    /// @param module the folder of its module
    private record TestPackage(String module, String name) {
        Path classPath() {
            return Path.of("..", module, "target/test-classes").toAbsolutePath().normalize();
        }

        List<String> xenTests() throws IOException {
            try (Stream<Path> files = Files.list(classPath().resolve(name.replace('.', '/')))) {
                return files.map(file -> XEN_TEST.matcher(file.getFileName().toString()))
                        .filter(Matcher::matches)
                        .map(test -> name + "." + test.group(1))
                        .sorted()
                        .toList();
            }
        }
    }

    private static final List<TestPackage> PACKAGES =
            List.of(
                    new TestPackage("kvm-bindings", "io.xenemu.kvm.ioctl"),
                    new TestPackage("xen-emu-core", "io.xenemu.core.domain"));

    @Test
    void xenSupportOfARealKernelIsAsDescribed(Lab lab) throws IOException, InterruptedException {
        List<String> classes = new ArrayList<>();
        for (TestPackage each : PACKAGES) {
            classes.addAll(each.xenTests());
        }
        RunningCommand tests =
                lab.startJava(
                        PACKAGES.stream().map(TestPackage::classPath).toList(),
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
