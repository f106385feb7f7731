package io.xenemu.xenstore.wire;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A decoded request. Arrays in it are the request's own and are not modified.
public sealed interface Request {
    /// The type that it came as, and that its reply has.
    MessageType type();

    /// A request that changes the tree; a transaction keeps these to repeat them on commit.
    sealed interface Change extends Request {
        /// The node to change.
        Path path();
    }

    /// DIRECTORY: names of the children.
    record Directory(Path path) implements Request {
        @Override
        public MessageType type() {
            return MessageType.DIRECTORY;
        }
    }

    /// DIRECTORY_PART: names of the children from a byte offset on.
    ///
    /// @param offset into what DIRECTORY would answer, 0 or greater
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

    /// WRITE: sets the value and creates what is missing above.
    // Requests are not compared, and bytes are not copied for nothing.
    @SuppressWarnings("ArrayRecordComponent")
    record Write(Path path, byte[] value) implements Change {
        @Override
        public MessageType type() {
            return MessageType.WRITE;
        }
    }

    /// MKDIR: creates the node and what is missing above; nothing if it exists.
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
    /// @param relative whether the path was given relative, and events are to be as well
    /// @param token chosen by the client, without NUL
    /// @param depth how many levels below the path count, or [#ANY_DEPTH]
    // Requests are not compared, and bytes are not copied for nothing.
    @SuppressWarnings("ArrayRecordComponent")
    record Watch(Path path, boolean relative, byte[] token, int depth) implements Request {
        /// The depth of a watch that was set without one: everything below counts.
        public static final int ANY_DEPTH = -1;

        @Override
        public MessageType type() {
            return MessageType.WATCH;
        }
    }

    /// UNWATCH.
    // Requests are not compared, and bytes are not copied for nothing.
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

    /// INTRODUCE: start serving a domain's ring.
    ///
    /// @param gfn guest frame of the ring
    /// @param port event channel port in the domain
    record Introduce(DomId domain, long gfn, int port) implements Request {
        @Override
        public MessageType type() {
            return MessageType.INTRODUCE;
        }
    }

    /// RELEASE: stop serving a domain's ring.
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

    /// RESUME: let the domain's next shutdown fire @releaseDomain again.
    record Resume(DomId domain) implements Request {
        @Override
        public MessageType type() {
            return MessageType.RESUME;
        }
    }

    /// SET_TARGET: let `domain` act as `target` as well.
    record SetTarget(DomId domain, DomId target) implements Request {
        @Override
        public MessageType type() {
            return MessageType.SET_TARGET;
        }
    }

    /// CONTROL: a command to the daemon.
    ///
    /// @param words the command and its parameters; empty if none came
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

    /// SET_FEATURE: what a domain that is not introduced yet will find in its ring's page.
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
    /// @param domain null for what new domains get
    /// @param quota null for the names
    record GetQuota(@Nullable DomId domain, @Nullable String quota) implements Request {
        @Override
        public MessageType type() {
            return MessageType.GET_QUOTA;
        }
    }

    /// SET_QUOTA.
    ///
    /// @param domain null for what new domains get
    /// @param quota a name, unchecked
    /// @param value 0 for no limit
    record SetQuota(@Nullable DomId domain, String quota, int value) implements Request {
        @Override
        public MessageType type() {
            return MessageType.SET_QUOTA;
        }
    }
}
