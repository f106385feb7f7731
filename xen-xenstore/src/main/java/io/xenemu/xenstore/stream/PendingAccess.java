package io.xenemu.xenstore.stream;

import io.xenemu.xenstore.state.XenStoreState.TransactionState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import org.jspecify.annotations.Nullable;

/// The `access` word of a pending node. The document defines its two lowest bits, which say that the transaction has
/// read or written the node; for a deleted node the word is 0. That is C xenstored's view of a conflict. Ours is finer,
/// so the upper byte holds two facts that the document cannot express: which aspects of the node were read, and which
/// kind of request wrote it. A daemon that follows the document sees only that the node was read or written. A stream
/// without our bits is read as the document says: everything about a touched node must stay as it is.
final class PendingAccess {
    static final int READ = 1;
    static final int WRITTEN = 2;

    private static final int DEFINED = 0x7f03;
    private static final int ASPECTS_SHIFT = 8;
    private static final int KIND_SHIFT = 13;
    private static final int KIND_WRITE = 1;
    private static final int KIND_MKDIR = 2;
    private static final int KIND_SET_PERMS = 3;

    private PendingAccess() {}

    static boolean isValid(int access) {
        return (access & ~DEFINED) == 0;
    }

    /// The word for a node that was read.
    static int read(int aspects) {
        return READ | aspects << ASPECTS_SHIFT;
    }

    /// The word for a node that was changed. A removed node needs no kind: its record shows that the request was RM.
    static int written(Request.Change change) {
        int kind =
                switch (change) {
                    case Request.Write _, Request.Rm _ -> KIND_WRITE;
                    case Request.Mkdir _ -> KIND_MKDIR;
                    case Request.SetPerms _ -> KIND_SET_PERMS;
                };
        return WRITTEN | kind << KIND_SHIFT;
    }

    static boolean isRead(int access) {
        return (access & (READ | WRITTEN)) == READ;
    }

    /// Whether the word has bits beyond the document's.
    static boolean isDetailed(int access) {
        return access >>> ASPECTS_SHIFT != 0;
    }

    /// The aspects that were read, from a detailed word.
    static int aspects(int access) {
        return access >>> ASPECTS_SHIFT & TransactionState.ALL;
    }

    /// The request that wrote a node, from a detailed word.
    ///
    /// @param contents the node's contents after it; null if it was removed
    /// @return null if the word is wrong
    static Request.@Nullable Change change(
            int access, Path path, PendingView.@Nullable Contents contents) {
        int kind = access >>> KIND_SHIFT & 3;
        if (contents == null) {
            return kind == KIND_WRITE ? new Request.Rm(path) : null;
        }
        return switch (kind) {
            case KIND_WRITE -> new Request.Write(path, contents.value());
            case KIND_MKDIR -> new Request.Mkdir(path);
            case KIND_SET_PERMS -> new Request.SetPerms(path, contents.permissions());
            default -> null;
        };
    }
}
