package io.xenemu.xenstore.wire;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A decoded request. Its arrays belong to it and are not modified.
public sealed interface Request {
    /// The type of the request and of its reply.
    MessageType type();

    /// A request that changes the tree; a transaction keeps these to repeat them on commit.
    sealed interface Change extends Request {
        /// The node to change.
        Path path();
    }

    /// DIRECTORY: the names of the children.
    record Directory(Path path) implements Request {
        @Override
        public MessageType type() {
            return MessageType.DIRECTORY;
        }
    }

    /// DIRECTORY_PART: the names of the children from a byte offset on.
    ///
    /// @param offset into the answer of DIRECTORY, 0 or greater
    record DirectoryPart(Path path, int offset) implements Request {
        @Override
        public MessageType type() {
            return MessageType.DIRECTORY_PART;
        }
    }

    /// READ: the value.
    record Read(Path path) implements Request {
        @Override
        public MessageType type() {
            return MessageType.READ;
        }
    }

    /// GET_PERMS.
    ///
    /// @param path a node, or a special watch
    record GetPerms(Path path) implements Request {
        @Override
        public MessageType type() {
            return MessageType.GET_PERMS;
        }
    }

    /// WRITE: sets the value and creates missing parents.
    // Requests are never compared, and the bytes need no copy.
    @SuppressWarnings("ArrayRecordComponent")
    record Write(Path path, byte[] value) implements Change {
        @Override
        public MessageType type() {
            return MessageType.WRITE;
        }
    }

    /// MKDIR: creates the node and missing parents; does nothing if it exists.
    record Mkdir(Path path) implements Change {
        @Override
        public MessageType type() {
            return MessageType.MKDIR;
        }
    }

    /// RM: removes the node and everything below.
    record Rm(Path path) implements Change {
        @Override
        public MessageType type() {
            return MessageType.RM;
        }
    }

    /// SET_PERMS.
    ///
    /// @param path a node, or a special watch
    record SetPerms(Path path, Permissions permissions) implements Change {
        @Override
        public MessageType type() {
            return MessageType.SET_PERMS;
        }
    }

    /// WATCH.
    ///
    /// @param path a node, existing or not, or a special watch
    /// @param relative whether the path was given relative, so that events have to be relative too
    /// @param token chosen by the client, without NUL
    /// @param depth the number of levels below the path that it covers, or [#ANY_DEPTH]
    // Requests are never compared, and the bytes need no copy.
    @SuppressWarnings("ArrayRecordComponent")
    record Watch(Path path, boolean relative, byte[] token, int depth) implements Request {
        /// The depth of a watch without one: it covers everything below.
        public static final int ANY_DEPTH = -1;

        @Override
        public MessageType type() {
            return MessageType.WATCH;
        }
    }

    /// UNWATCH.
    // Requests are never compared, and the bytes need no copy.
    @SuppressWarnings("ArrayRecordComponent")
    record Unwatch(Path path, byte[] token) implements Request {
        @Override
        public MessageType type() {
            return MessageType.UNWATCH;
        }
    }

    /// RESET_WATCHES: drops the caller's watches and transactions.
    record ResetWatches() implements Request {
        @Override
        public MessageType type() {
            return MessageType.RESET_WATCHES;
        }
    }

    /// TRANSACTION_START.
    record TransactionStart() implements Request {
        @Override
        public MessageType type() {
            return MessageType.TRANSACTION_START;
        }
    }

    /// TRANSACTION_END.
    ///
    /// @param commit false to discard
    record TransactionEnd(boolean commit) implements Request {
        @Override
        public MessageType type() {
            return MessageType.TRANSACTION_END;
        }
    }

    /// INTRODUCE: starts serving a domain's ring.
    ///
    /// @param gfn guest frame of the ring
    /// @param port event channel port in the domain
    record Introduce(DomId domain, long gfn, int port) implements Request {
        @Override
        public MessageType type() {
            return MessageType.INTRODUCE;
        }
    }

    /// RELEASE: stops serving a domain's ring.
    record Release(DomId domain) implements Request {
        @Override
        public MessageType type() {
            return MessageType.RELEASE;
        }
    }

    /// GET_DOMAIN_PATH.
    record GetDomainPath(DomId domain) implements Request {
        @Override
        public MessageType type() {
            return MessageType.GET_DOMAIN_PATH;
        }
    }

    /// IS_DOMAIN_INTRODUCED.
    record IsDomainIntroduced(DomId domain) implements Request {
        @Override
        public MessageType type() {
            return MessageType.IS_DOMAIN_INTRODUCED;
        }
    }

    /// RESUME: lets the domain's next shutdown fire @releaseDomain again.
    record Resume(DomId domain) implements Request {
        @Override
        public MessageType type() {
            return MessageType.RESUME;
        }
    }

    /// SET_TARGET: lets `domain` also act as `target`.
    record SetTarget(DomId domain, DomId target) implements Request {
        @Override
        public MessageType type() {
            return MessageType.SET_TARGET;
        }
    }

    /// CONTROL: a command to the daemon.
    ///
    /// @param words the command and its parameters; may be empty
    record Control(List<String> words) implements Request {
        @Override
        public MessageType type() {
            return MessageType.CONTROL;
        }
    }

    /// GET_FEATURE: the features of a domain.
    ///
    /// @param domain null for the caller's own
    record GetFeature(@Nullable DomId domain) implements Request {
        @Override
        public MessageType type() {
            return MessageType.GET_FEATURE;
        }
    }

    /// SET_FEATURE: sets the features that the ring page of a domain, not introduced yet, will show.
    ///
    /// @param features bits of [Features], unchecked
    record SetFeature(DomId domain, int features) implements Request {
        @Override
        public MessageType type() {
            return MessageType.SET_FEATURE;
        }
    }

    /// GET_QUOTA: the names of all quotas, or the value of one.
    ///
    /// @param domain null for the default of new domains
    /// @param quota null for the names
    record GetQuota(@Nullable DomId domain, @Nullable String quota) implements Request {
        @Override
        public MessageType type() {
            return MessageType.GET_QUOTA;
        }
    }

    /// SET_QUOTA: sets a limit.
    ///
    /// @param domain null for the default of new domains
    /// @param quota a name, unchecked
    /// @param value 0 for no limit
    record SetQuota(@Nullable DomId domain, String quota, int value) implements Request {
        @Override
        public MessageType type() {
            return MessageType.SET_QUOTA;
        }
    }
}
