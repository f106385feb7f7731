package io.xenemu.it.program.xenstore;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/// Writes 1, 2, 3, … to a node through a daemon's socket, and at last `end N`: `HostWriter SOCKET NODE SECONDS`. Prints
/// `wrote N`.
public final class HostWriter {
    private HostWriter() {}

    public static void main(String[] arguments) throws IOException {
        String node = arguments[1] + "\0";
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Long.parseLong(arguments[2]));
        long value = 0;
        try (WireClient client = new WireClient(Path.of(arguments[0]))) {
            while (System.nanoTime() < end) {
                value++;
                write(client, node + value);
            }
            write(client, node + "end " + value);
        }
        System.out.println("wrote " + value);
    }

    private static void write(WireClient client, String payload) throws IOException {
        client.send(new WireMessage(WireMessage.WRITE, 0, 0, payload));
        WireMessage reply = client.receive();
        if (reply.type() != WireMessage.WRITE) {
            throw new IOException(reply.shown());
        }
    }
}
