package io.xenemu.core.backend.nbd;

import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;

/// Where a server's bytes come from.
interface NbdInput {
    /// Waits for at least one byte, writes what has come into the vector, and removes it from the vector's front.
    ///
    /// @return bytes, 0 at the end of the stream
    long receive(IoVectors into) throws IOException;
}
