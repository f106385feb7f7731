package io.xenemu.core.migration;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/// Takes the contents of boot files that a stream has.
@FunctionalInterface
public interface FileContents {
    /// Makes the place for a file's content. The reader writes and closes it. The content may be used once
    /// [SaveReader#guest] has returned, since only then its digest has been checked.
    ///
    /// @param size in bytes, as the stream says: it may have fewer
    WritableByteChannel open(BootFile.Role role, String path, long size) throws IOException;

    /// Keeps no content.
    FileContents NONE =
            (_, _, _) ->
                    new WritableByteChannel() {
                        @Override
                        public int write(ByteBuffer source) {
                            int count = source.remaining();
                            source.position(source.limit());
                            return count;
                        }

                        @Override
                        public boolean isOpen() {
                            return true;
                        }

                        @Override
                        public void close() {}
                    };
}
