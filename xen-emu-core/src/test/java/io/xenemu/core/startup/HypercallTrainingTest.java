package io.xenemu.core.startup;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.XenError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The training checks each answer, and the build makes no start-up cache if one is wrong.
final class HypercallTrainingTest {
    @Test
    void everyHypercallIsAnsweredAsTheTrainingExpects(@TempDir Path folder)
            throws IOException, BootException, XenError {
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        HypercallTraining.run(kernel, 100);
    }
}
