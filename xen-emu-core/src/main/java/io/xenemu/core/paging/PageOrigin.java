package io.xenemu.core.paging;

import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.PresentPages;

/// Where the pages of a guest come from, as the service knows it.
sealed interface PageOrigin extends AutoCloseable {
    /// How a server brings them.
    enum Kind {
        /// All of them, from a file.
        FILE,
        /// Those that the guest touches, from a file whose pages it shares with other guests.
        SHARED_FILE,
        /// From another host, which sends all of them.
        PEER
    }

    /// The file of a saved guest.
    ///
    /// @param start of the pages in it
    /// @param shares whether other guests use its pages too
    record SavedFile(HostFile file, long start, boolean shares) implements PageOrigin {
        @Override
        public void close() {
            file.close();
        }
    }

    /// Another host, over connections that come and go.
    ///
    /// @param missing the pages that are there
    record Peer(PresentPages missing) implements PageOrigin {
        @Override
        public void close() {
            missing.close();
        }
    }

    /// How a server brings them.
    default Kind kind() {
        return switch (this) {
            case SavedFile file -> file.shares() ? Kind.SHARED_FILE : Kind.FILE;
            case Peer _ -> Kind.PEER;
        };
    }

    /// The descriptor that a server needs.
    default int fd() {
        return switch (this) {
            case SavedFile saved -> saved.file().fd();
            case Peer peer -> peer.missing().fd();
        };
    }

    @Override
    void close();
}
