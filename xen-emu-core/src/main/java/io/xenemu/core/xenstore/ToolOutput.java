package io.xenemu.core.xenstore;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;

/// What a command prints when its transaction has been committed.
final class ToolOutput {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    ToolOutput print(String text) {
        return print(StoreConnection.latin(text));
    }

    ToolOutput print(byte[] data) {
        bytes.writeBytes(data);
        return this;
    }

    void discard() {
        bytes.reset();
    }

    void writeTo(PrintStream out) {
        out.writeBytes(bytes.toByteArray());
        out.flush();
        bytes.reset();
    }
}
