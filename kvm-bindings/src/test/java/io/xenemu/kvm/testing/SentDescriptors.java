package io.xenemu.kvm.testing;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/// Descriptors as another process gets them: duplicates that have come over a socket.
public final class SentDescriptors {
    private SentDescriptors() {}

    /// Duplicates of descriptors.
    public static ImmutableIntArray of(ImmutableIntArray numbers) throws IOException {
        Path folder = Files.createTempDirectory("sent");
        Path way = folder.resolve("s");
        ImmutableIntArray.Builder received = ImmutableIntArray.builder(numbers.length());
        try (MessageSocket.Listener listener =
                        MessageSocket.Listener.bind(way, Duration.ofSeconds(30));
                MessageSocket to = MessageSocket.connect(way);
                MessageSocket from = Objects.requireNonNull(listener.accept())) {
            for (int number : numbers.asList()) {
                to.send(new byte[1], number);
                received.addAll(Objects.requireNonNull(from.receive()).descriptors());
            }
        } finally {
            Files.deleteIfExists(way);
            Files.delete(folder);
        }
        return received.build();
    }
}
