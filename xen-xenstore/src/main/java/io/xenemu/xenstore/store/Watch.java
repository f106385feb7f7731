package io.xenemu.xenstore.store;

import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import java.util.Arrays;

/// One registered watch.
///
/// @param order counts up over all watches: events of one change are sent in order of registration
/// @param session the session that registered it
/// @param key the watched path and the token
/// @param relative whether events name paths relative to the session's own directory
/// @param depth the number of levels below the path that it covers, or [Request.Watch#ANY_DEPTH]
public record Watch(long order, Session session, Key key, boolean relative, int depth) {
    /// About the bytes of a watch, without its path and token.
    public static final int WATCH_BYTES = 256;

    /// About the bytes of each level of a watched path in the table of watches, unless another watch shares it.
    public static final int LEVEL_BYTES = 256;

    /// Identifies a watch within a session. `token` is not modified.
    @SuppressWarnings("ArrayRecordComponent") // equals and hashCode are by content
    public record Key(Path path, byte[] token) {
        /// Its bytes for the domain's memory quota: more than in xenstored, where a watch takes less.
        public int bytes() {
            return WATCH_BYTES + path.bytes() + LEVEL_BYTES * path.depth() + token.length;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Key k && path.equals(k.path) && Arrays.equals(token, k.token);
        }

        @Override
        public int hashCode() {
            return 31 * path.hashCode() + Arrays.hashCode(token);
        }
    }

    /// Whether a path at or below its own is within the depth.
    boolean reaches(Path path) {
        return depth == Request.Watch.ANY_DEPTH || path.depth() - key.path.depth() <= depth;
    }

    /// Queues an event at `path` for the session.
    public void fire(Path path) {
        int skip = relative ? session.home().length() + 1 : 0;
        session.outlet().watchEvent(path, skip, key.token());
        session.changed();
    }
}
