package io.xenemu.xenstore;

import io.xenemu.kvm.testing.Tool;
import io.xenemu.xenstore.socket.SocketTransport;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/// A store that is served on a socket.
abstract class SocketRig {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path directory;

    final Rig rig = new Rig();

    @SuppressWarnings("NullAway.Init")
    SocketTransport socket;

    @BeforeEach
    void listen() throws IOException {
        socket = rig.server.listen(directory.resolve("xs"));
    }

    @AfterEach
    void close() {
        rig.close();
    }

    Process start(String tool, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(Tool.need(tool, "xenstore-utils")));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("XENSTORED_PATH", socket.path().toString());
        return builder.start();
    }

    static byte[] read(SocketChannel channel, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        int count = 0;
        while (buffer.hasRemaining() && count >= 0) {
            count = channel.read(buffer);
        }
        return Arrays.copyOf(buffer.array(), buffer.position());
    }
}
