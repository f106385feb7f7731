package io.xenemu.core.control;

import io.xenemu.core.device.ConsoleLog;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A client of a guest's console. It gets the kept output and then new output, and types input. The session ends with
/// the client or the guest, whichever goes first.
public record ConsoleSession(ConsoleLog console) implements ControlReply.Session {
    private static final Logger log = LoggerFactory.getLogger(ConsoleSession.class);
    private static final int PIECE = 4096;

    @Override
    public void serve(SocketChannel client) throws IOException {
        Thread writer = Thread.ofVirtual().name("console").start(() -> write(client));
        try {
            read(client);
        } finally {
            // Wakes the writer if it waits for the guest's output.
            writer.interrupt();
        }
    }

    private void read(SocketChannel client) throws IOException {
        ByteBuffer typed = ByteBuffer.allocate(PIECE);
        try {
            while (client.read(typed) >= 0) {
                if (!console.type(typed.array(), typed.position())) {
                    return;
                }
                typed.clear();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Writes the guest's output. Closes the connection at the end, which also ends the reading thread.
    private void write(SocketChannel client) {
        // The reader is closed when the client's connection is: then the client has it all.
        try (ConsoleLog.Reader reader = console.reader();
                client) {
            byte[] bytes = new byte[PIECE];
            for (int count = reader.take(bytes); count > 0; count = reader.take(bytes)) {
                ByteBuffer printed = ByteBuffer.wrap(bytes, 0, count);
                while (printed.hasRemaining()) {
                    client.write(printed);
                }
            }
        } catch (IOException e) {
            // The client has gone.
        } catch (RuntimeException | Error e) {
            log.error("a client of a console has lost its connection", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
