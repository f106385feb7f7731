package io.xenemu.core.guest;

import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SavedHead;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.util.Iterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The kernel and modules of a guest that is restored lazily. They are for its next boot, so they are read from its
/// file when it runs. If they are damaged, it runs on, and cannot boot again.
final class LateBootFiles {
    private static final Logger log = LoggerFactory.getLogger(LateBootFiles.class);

    private final SavedHead head;
    private final KeptBootFiles kept;

    /// @param head as the file was when the guest was restored
    /// @param kept takes the contents
    LateBootFiles(SavedHead head, KeptBootFiles kept) {
        this.head = head;
        this.kept = kept;
        kept.comeLater();
    }

    /// Begins to read them, on a thread of its own.
    ///
    /// @param file at its beginning; closed when they are read
    void bring(FileChannel file) {
        Thread.ofPlatform()
                .name("boot-files-" + head.guest().name())
                .daemon()
                .start(() -> read(file));
    }

    private void read(FileChannel opened) {
        boolean whole = false;
        try (FileChannel file = opened;
                SaveReader reader = new SaveReader(file)) {
            Iterator<WritableByteChannel> places = kept.places().iterator();
            SavedHead found = reader.guest((_, _, _) -> places.next());
            SavedStream.require(
                    found != null && found.files().equals(head.files()), "the file has changed");
            whole = true;
        } catch (ClosedChannelException e) {
            log.debug("{}: ended before its kernel was read", head.guest().name());
        } catch (IOException e) {
            log.warn(
                    "{}: cannot boot again: its kernel and modules cannot be read from its saved file: {}",
                    head.guest().name(),
                    e.getMessage());
        } finally {
            kept.haveCome(whole);
        }
    }
}
