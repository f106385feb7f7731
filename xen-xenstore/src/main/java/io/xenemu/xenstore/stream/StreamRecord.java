package io.xenemu.xenstore.stream;

import io.xenemu.xenstore.tree.Permissions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One record of the stream. Texts are bytes without their NUL. END has no contents, and no record here.
@SuppressWarnings("ArrayRecordComponent") // never compared, never modified
sealed interface StreamRecord {
    int TYPE_END = 0;
    int TYPE_GLOBAL = 1;
    int TYPE_CONNECTION = 2;
    int TYPE_WATCH = 3;
    int TYPE_TRANSACTION = 4;
    int TYPE_NODE = 5;
    int TYPE_GLOBAL_QUOTA = 6;
    int TYPE_DOMAIN = 7;
    int TYPE_WATCH_EXTENDED = 8;

    /// GLOBAL_DATA. The second descriptor is that of the event channel device: an early text of the document had a
    /// second socket there, which no daemon has today.
    record Global(int listener, int events) implements StreamRecord {}

    /// The transport of a connection: a ring or a socket.
    sealed interface Transport {}

    /// A shared ring.
    ///
    /// @param domain its id
    /// @param target the domain that it acts on behalf of; [#NO_TARGET] for none
    /// @param port event channel port
    record RingTransport(int domain, int target, int port) implements Transport {
        static final int CODE = 0;

        /// `DOMID_INVALID`.
        static final int NO_TARGET = 0x7ff4;
    }

    /// A socket.
    record SocketTransport(int descriptor) implements Transport {
        static final int CODE = 1;
    }

    /// CONNECTION_DATA.
    ///
    /// @param id the id in other records; not 0
    /// @param partial the number of bytes of `output` that are the rest of a message; 0 if it starts with one
    record Connection(int id, Transport transport, byte[] input, int partial, byte[] output)
            implements StreamRecord {}

    /// WATCH_DATA, or WATCH_DATA_EXTENDED if there is a depth.
    ///
    /// @param path as in the request: relative if it was relative there
    /// @param depth levels below the path, or [#UNLIMITED]
    record Watch(int connection, byte[] path, byte[] token, int depth) implements StreamRecord {
        static final int UNLIMITED = 0xffff;
    }

    /// TRANSACTION_DATA.
    record Transaction(int connection, int id) implements StreamRecord {}

    /// NODE_DATA: a node of the store, or a transaction's access to one.
    ///
    /// @param connection the connection of the transaction; 0 for a node of the store
    /// @param transaction its id
    /// @param access what the transaction did; see [PendingAccess]
    /// @param permissions null if the transaction deleted the node, or found none
    record Node(
            int connection,
            int transaction,
            int access,
            @Nullable Permissions permissions,
            byte[] path,
            byte[] value)
            implements StreamRecord {}

    /// One limit.
    record Quota(String name, int value) {}

    /// GLOBAL_QUOTA_DATA.
    ///
    /// @param domain the defaults for each domain
    /// @param global the limits of the whole store
    record GlobalQuota(List<Quota> domain, List<Quota> global) implements StreamRecord {}

    /// DOMAIN_DATA.
    ///
    /// @param features the feature word of the ring's page; 0 in version 1
    record Domain(int domain, int features, List<Quota> quotas) implements StreamRecord {}
}
