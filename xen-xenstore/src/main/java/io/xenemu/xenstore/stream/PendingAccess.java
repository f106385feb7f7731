package io.xenemu.xenstore.stream;

import io.xenemu.xenstore.XenStoreState.TransactionState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import org.jspecify.annotations.Nullable;

/// The `access` word of a pending node. The document defines its two lowest bits, which say that the transaction has read
/// or written the node; for a deleted node the word is 0. That is C xenstored's view of a conflict. Ours is finer, so we
/// add in the upper byte what the document has no words for: which aspects of the node were read, and by what kind of
/// request it was written. A daemon that follows the document sees a node that was read or written, and a stream without
/// our bits is taken at the document's word: everything about a node that was touched must stay as it is.
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

    /// The word for a node that was changed. What is left of a removed node tells that it was an RM.
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

    /// Whether the word tells more than the document has words for.
    static boolean isDetailed(int access) {
        return access >>> ASPECTS_SHIFT != 0;
    }

    /// The aspects that were read, of a detailed word.
    static int aspects(int access) {
        return access >>> ASPECTS_SHIFT & TransactionState.ALL;
    }

    /// The request that wrote a node, of a detailed word.
    ///
    /// @param contents what it has become; null if it was removed
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
