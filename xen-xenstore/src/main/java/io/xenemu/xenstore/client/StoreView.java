package io.xenemu.xenstore.client;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/// Reads and changes the store from this process with the rights of domain 0: directly ([XenStoreClient]) or within a
/// transaction ([XenStoreClient#transaction]). Paths are absolute; an invalid one is an IllegalArgumentException.
/// Text is ISO 8859-1, so that every byte survives.
public sealed class StoreView permits XenStoreClient, StoreView.InTransaction {
    final StoreAccess access;
    final Session session;
    private final int transaction;

    /// A view outside of transactions.
    StoreView(StoreAccess access, Session session) {
        this(access, session, 0);
    }

    private StoreView(StoreAccess access, Session session, int transaction) {
        this.access = access;
        this.session = session;
        this.transaction = transaction;
    }

    /// A view of an open transaction.
    static final class InTransaction extends StoreView {
        InTransaction(StoreAccess access, Session session, int transaction) {
            super(access, session, transaction);
        }
    }

    /// An operation that runs under the lock.
    @FunctionalInterface
    interface Operation<T> {
        T run(XenStore store) throws XenError;
    }

    final <T> T locked(Operation<T> operation) throws XenError {
        access.enter();
        try {
            return operation.run(access.store());
        } finally {
            access.leave();
        }
    }

    /// The value of a node.
    ///
    /// @throws XenError ENOENT if there is no such node
    public byte[] readBytes(String path) throws XenError {
        Path node = Path.of(path);
        return locked(store -> store.read(session, transaction, node)).clone();
    }

    /// The value of a node as text.
    ///
    /// @throws XenError ENOENT if there is no such node
    public String read(String path) throws XenError {
        return new String(readBytes(path), StandardCharsets.ISO_8859_1);
    }

    /// The value of a node as text; empty if there is no such node.
    public Optional<String> find(String path) throws XenError {
        try {
            return Optional.of(read(path));
        } catch (XenError e) {
            if (e == XenError.ENOENT) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /// Whether there is such a node.
    public boolean exists(String path) throws XenError {
        return find(path).isPresent();
    }

    /// Names of the children, in order of creation.
    ///
    /// @throws XenError ENOENT if there is no such node
    public List<String> list(String path) throws XenError {
        Path node = Path.of(path);
        Node directory = locked(store -> store.directory(session, transaction, node));
        return directory.children().inOrder().stream().map(Node::name).toList();
    }

    /// Owner and access list of a node or of a special watch.
    ///
    /// @throws XenError ENOENT if there is no such node
    public Permissions permissions(String path) throws XenError {
        Path node = Path.of(path);
        return locked(store -> store.permissions(session, transaction, node));
    }

    /// Sets a value; creates the node and missing parents, with the permissions of the nearest existing node above.
    ///
    /// @throws XenError E2BIG for more than 4096 bytes
    public void writeBytes(String path, byte[] value) throws XenError {
        change(new Request.Write(Path.of(path), value.clone()));
    }

    /// Writes a text as the value of a node, as [#writeBytes].
    ///
    /// @throws XenError E2BIG for more than 4096 bytes
    public void write(String path, String value) throws XenError {
        change(new Request.Write(Path.of(path), value.getBytes(StandardCharsets.ISO_8859_1)));
    }

    /// Creates the node and missing parents; does nothing if it exists.
    public void mkdir(String path) throws XenError {
        change(new Request.Mkdir(Path.of(path)));
    }

    /// Removes a node and everything below; does nothing if it does not exist but its parent does.
    ///
    /// @throws XenError ENOENT if the parent does not exist either; EINVAL for the root
    public void rm(String path) throws XenError {
        change(new Request.Rm(Path.of(path)));
    }

    /// Sets owner and access list of a node or of a special watch.
    ///
    /// @throws XenError ENOENT if there is no such node, or the owner is not an existing domain
    public void setPermissions(String path, Permissions permissions) throws XenError {
        change(new Request.SetPerms(Path.of(path), permissions));
    }

    private void change(Request.Change change) throws XenError {
        locked(store -> {
            store.change(session, transaction, change);
            return change;
        });
    }
}
