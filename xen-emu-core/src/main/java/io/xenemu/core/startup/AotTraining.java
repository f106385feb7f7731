package io.xenemu.core.startup;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.XenError;
import java.io.IOException;
import java.nio.file.Path;

/// The training runs for the JVM's AOT caches (JEP 483, 514). The build runs one for each kind of start, with
/// `-XX:AOTCacheOutput`. Every later start of that kind finds the classes of the run loaded and linked. No training
/// needs KVM.
public final class AotTraining {
    private AotTraining() {}

    /// Does one training run.
    ///
    /// @param args `client`, `store`, `service`, or `peer` and its two sockets
    public static void main(String[] args)
            throws IOException,
                    InterruptedException,
                    ReflectiveOperationException,
                    BootException,
                    XenError {
        switch (args[0]) {
            case "client" -> ClientTraining.run();
            case "store" -> StoreTraining.run();
            case "service" -> ServiceTraining.run();
            case "peer" -> TrainingPeer.serve(Path.of(args[1]), Path.of(args[2]));
            default -> throw new IllegalArgumentException("no such training: " + args[0]);
        }
        System.exit(0); // whatever still serves
    }
}
