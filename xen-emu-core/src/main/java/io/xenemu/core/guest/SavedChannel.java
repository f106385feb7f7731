package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.migration.PeekedChannel;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.xenimage.XenImageReader;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The bytes of saved guests, from a file or from a client that has a pipe.
final class SavedChannel {
    private static final Logger log = LoggerFactory.getLogger(SavedChannel.class);

    private SavedChannel() {}

    /// Opens a place, and looks at its first bytes.
    ///
    /// @throws Refused if it cannot be read
    static PeekedChannel open(SavePlace place) throws Refused {
        ReadableByteChannel channel = null;
        boolean done = false;
        try {
            channel =
                    switch (place.kind()) {
                        case FILE -> FileChannel.open(place.path());
                        case SOCKET -> SaveTarget.connect(place);
                    };
            PeekedChannel peeked = new PeekedChannel(channel, XenImageReader.MAGIC_BYTES);
            done = true;
            return peeked;
        } catch (IOException e) {
            throw refused(place, e);
        } finally {
            if (!done && channel != null) {
                close(channel);
            }
        }
    }

    /// Whether real Xen has saved what is in it.
    static boolean isOfXen(PeekedChannel channel) {
        return XenImageReader.begins(channel.first());
    }

    /// The refusal of what cannot be read.
    static Refused refused(SavePlace place, IOException e) {
        return new Refused(place.path() + ": " + IoReason.withoutFile(e));
    }

    /// Closes it. What was not read is of no use to anybody.
    static void close(ReadableByteChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            log.debug("a saved guest: {}", e.toString());
        }
    }
}
