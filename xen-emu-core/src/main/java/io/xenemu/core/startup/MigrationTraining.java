package io.xenemu.core.startup;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/// A guest that is saved, restored and moved between two services, by an operator's commands. A guest stands still
/// while its state is written, read and built again, and the first one of a service would wait for code that has never
/// run.
final class MigrationTraining {
    private static final int SAVES = 20;
    private static final int MIGRATIONS = 40;
    private static final String NAME = "training";

    private final Path folder;

    private MigrationTraining(Path folder) {
        this.folder = folder;
    }

    /// @param folder of this training; there is none yet
    /// @param kernel the guest's kernel
    static void run(Path folder, Path kernel) throws IOException, InterruptedException {
        try {
            new MigrationTraining(folder).train(kernel);
        } catch (HostException | ExecutionException e) {
            throw new IllegalStateException("the training is wrong", e);
        }
    }

    private void train(Path kernel)
            throws IOException, HostException, ExecutionException, InterruptedException {
        try (TrainingService _ = new TrainingService(Files.createDirectories(side(0)));
                TrainingService _ = new TrainingService(Files.createDirectories(side(1)))) {
            ask(0, "create", "name=" + NAME, "memory=32M", "kernel=" + kernel);
            String file = folder.resolve("saved").toString();
            for (int i = 0; i < SAVES; i++) {
                ask(0, "save", NAME, file);
                ask(0, "restore", file);
            }
            for (int i = 0; i < MIGRATIONS; i++) {
                migrate(i % 2, 1 - i % 2);
            }
            ask(0, "destroy", NAME);
        }
    }

    private Path side(int number) {
        return folder.resolve("side-" + number);
    }

    private void ask(int side, String... words) throws HostException {
        List<String> _ =
                ControlClient.patientCommand(TrainingService.socket(side(side)), List.of(words));
    }

    private void migrate(int from, int to)
            throws IOException, HostException, ExecutionException, InterruptedException {
        InetAddress host = InetAddress.getLoopbackAddress();
        try (ServerSocket listening = new ServerSocket(0, 1, host);
                Socket source = new Socket(host, listening.getLocalPort());
                Socket target = listening.accept()) {
            FutureTask<List<String>> comes =
                    new FutureTask<>(() -> linked(to, List.of("migrate-receive"), target));
            Thread _ = Thread.ofPlatform().daemon().name("receive").start(comes);
            List<String> _ = linked(from, List.of("migrate", NAME, "the other side"), source);
            List<String> _ = comes.get();
        }
    }

    private List<String> linked(int side, List<String> words, Socket socket)
            throws IOException, HostException {
        return ControlClient.linked(
                TrainingService.socket(side(side)),
                words,
                socket.getInputStream(),
                socket.getOutputStream());
    }
}
