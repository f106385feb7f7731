package io.xenemu.core.xenstore;

import io.xenemu.core.device.StandardOutput;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;

/// The output of a command, printed when its transaction has been committed.
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

    /// @throws StoreTool.ToolFailed if it cannot be written; without a message if the reader has gone
    void writeTo(PrintStream out) throws StoreTool.ToolFailed {
        out.writeBytes(bytes.toByteArray());
        bytes.reset();
        if (out.checkError()) { // flushes, and is the only way to learn of a failure
            throw new StoreTool.ToolFailed(
                    StandardOutput.readerHasGone() ? "" : "cannot write the output");
        }
    }
}
