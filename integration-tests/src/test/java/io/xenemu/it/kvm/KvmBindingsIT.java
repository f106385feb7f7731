package io.xenemu.it.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The tests of kvm-bindings that are skipped where KVM has no Xen: every Xen ioctl and attribute, on a real kernel.
@ExtendWith(LabExtension.class)
class KvmBindingsIT {
    private static final Path TESTS = Path.of("../kvm-bindings/target/test-classes");

    @Test
    void everyXenIoctlWorksOnARealKernel(Lab lab) throws IOException, InterruptedException {
        RunningCommand tests =
                lab.startJava(
                        List.of(TESTS.toAbsolutePath().normalize()),
                        JUnitInLab.class,
                        "io.xenemu.kvm.ioctl.KvmXenTest");
        int status = tests.awaitExit();
        String output = tests.output();

        assertEquals(0, status, output);
        Matcher result =
                Pattern.compile("junit: (\\d+) succeeded, (\\d+) skipped, 0 failed")
                        .matcher(output);
        assertTrue(result.find(), output);
        assertTrue(Integer.parseInt(result.group(1)) > 0, output);
        // The one that looks at a KVM without Xen.
        assertEquals("1", result.group(2), output);
    }
}
