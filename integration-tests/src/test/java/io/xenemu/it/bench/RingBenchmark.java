package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.lab.JavaCommand;
import io.xenemu.it.program.RingingGuests;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Two guests of one service ring each other in a lab machine: so many times through the kernels alone, and so many
/// through user space. Prints both rates, and ends with an exception if a ring got lost.
///
/// Arguments, both optional: RINGS through the kernels (1,000,000), which takes the lab eight minutes or more, and is
/// why CI makes do with fewer (`RingingGuestsIT`); RINGS through user space (20,000), of which the first thousands meet
/// code that is not compiled yet. Of the rates only the ratio means something outside of the lab.
public final class RingBenchmark {
    private static final String KERNEL_RINGS = "1000000";
    private static final String USER_RINGS = "20000";

    private RingBenchmark() {}

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        Path module = Path.of("").toAbsolutePath();
        TestGuests guests = TestGuests.build(module, module.resolve("target/ring-guests"));
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        List<String> command =
                JavaCommand.of(
                        JavaCommand.Compilation.FULL,
                        List.of(),
                        RingingGuests.class,
                        List.of(
                                guests.ring().toString(),
                                "rate",
                                args.length > 0 ? args[0] : KERNEL_RINGS,
                                args.length > 1 ? args[1] : USER_RINGS));
        try (LabMachine machine = LabMachine.boot(images)) {
            PrintingRun.of(machine, command, module);
        }
    }
}
