package io.xenemu.it.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The tests of kvm-bindings that are skipped where KVM has no Xen, on a real kernel: every Xen ioctl and attribute, and what
/// the kernel does for a guest.
@ExtendWith(LabExtension.class)
class KvmBindingsIT {
    private static final Path TESTS =
            Path.of("../kvm-bindings/target/test-classes").toAbsolutePath().normalize();

    private static final String PACKAGE = "io.xenemu.kvm.ioctl";
    private static final Pattern XEN_TEST = Pattern.compile("(\\w*Xen\\w*Test)\\.class");

    /// Half of the tests must not pass for all of them.
    private static final int TESTS_AT_LEAST = 60;

    private static String[] xenTests() throws IOException {
        try (Stream<Path> files = Files.list(TESTS.resolve(PACKAGE.replace('.', '/')))) {
            return files.map(file -> XEN_TEST.matcher(file.getFileName().toString()))
                    .filter(Matcher::matches)
                    .map(name -> PACKAGE + "." + name.group(1))
                    .sorted()
                    .toArray(String[]::new);
        }
    }

    @Test
    void xenSupportOfARealKernelIsAsDescribed(Lab lab) throws IOException, InterruptedException {
        RunningCommand tests = lab.startJava(List.of(TESTS), JUnitInLab.class, xenTests());
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
