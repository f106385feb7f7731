package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertFalse;

import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.socket.MessageSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/// A live update from one service of a test to another, which both live on.
final class HandOver {
    private HandOver() {}

    /// Hands all guests over.
    ///
    /// @param folder for the socket
    /// @return what the old and the new process say: `left` and `taken`, or why not
    static List<String> run(
            Path folder, FakeHypervisor old, HostedGuests oldGuests, HostedGuests nextGuests)
            throws Exception {
        Path path = Files.createTempDirectory(folder, "s").resolve("s");
        List<String> said = new ArrayList<>();
        try (MessageSocket.Listener listener =
                        MessageSocket.Listener.bind(path, Duration.ofSeconds(30));
                UpdateLink there = new UpdateLink(MessageSocket.connect(path))) {
            UpdateLink here = new UpdateLink(Objects.requireNonNull(listener.accept()));
            FutureTask<Void> source =
                    new FutureTask<>(() -> {
                        new UpdateSource(old.hypervisor, oldGuests, here, () -> {}).run();
                        return null;
                    });
            Thread.ofPlatform().daemon().start(source);
            try {
                Duration downtime = nextGuests.takeOver(there, "the test", _ -> {});
                assertFalse(downtime.isNegative());
                said.add("taken");
            } catch (Refused e) {
                said.add(e.reason());
            }
            try {
                source.get();
                said.addFirst("left");
            } catch (ExecutionException e) {
                said.addFirst(String.valueOf(Objects.requireNonNull(e.getCause()).getMessage()));
            }
        }
        return said;
    }
}
