package io.xenemu.core.xenimage;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Takes the contents of a guest's pages while an image is read. A frame may come again: its last contents count.
interface PageSink {
    /// Takes the contents of a frame.
    ///
    /// @param page 4096 bytes, which the caller uses again
    void page(long frame, ByteBuffer page) throws IOException;

    /// Keeps nothing.
    PageSink NONE = (_, _) -> {};
}
