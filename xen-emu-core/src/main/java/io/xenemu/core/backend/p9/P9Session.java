package io.xenemu.core.backend.p9;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.Statx;
import java.util.concurrent.atomic.AtomicInteger;

/// What all requests of one share work on: its root, and the numbers that the guest has given to files.
final class P9Session implements AutoCloseable {
    private final int root;
    private final P9Export export;
    private final P9Credentials credentials;
    private final P9Fids fids;
    private final P9Descriptors descriptors;
    private final P9Usage usage;
    private final P9Qid qids = new P9Qid();

    /// Requests that run, and one for the session until it is closed; whoever leaves last closes the root.
    private final AtomicInteger inside = new AtomicInteger(1);

    /// @throws io.xenemu.kvm.abi.KvmException if the folder cannot be opened
    P9Session(P9Export export) {
        this(export, Beneath.openFolder(export.folder()));
    }

    /// @param root the descriptor of the folder, taken over
    P9Session(P9Export export, int root) {
        this.export = export;
        this.root = root;
        credentials = new P9Credentials(export.security());
        fids = new P9Fids(export.limits().fids());
        descriptors = new P9Descriptors(root, export.limits(), fids);
        usage = new P9Usage(this, export.quota());
    }

    /// The descriptor of the share's root.
    int root() {
        return root;
    }

    boolean isReadOnly() {
        return export.readOnly();
    }

    P9Credentials credentials() {
        return credentials;
    }

    P9Usage usage() {
        return usage;
    }

    P9Fids fids() {
        return fids;
    }

    P9Descriptors descriptors() {
        return descriptors;
    }

    /// Begins a request.
    ///
    /// @return false if the session is closed
    boolean enter() {
        return inside.getAndUpdate(count -> count == 0 ? 0 : count + 1) != 0;
    }

    /// Ends a request.
    void leave() {
        if (inside.decrementAndGet() == 0) {
            Beneath.close(root);
        }
    }

    /// The status of a descriptor's file as the guest sees it, in `scratch.status`.
    Statx status(P9Scratch scratch, int fd) throws P9Error {
        Statx status = hostStatus(scratch, fd);
        credentials.show(scratch, fd);
        return status;
    }

    /// The host's own status of a descriptor's file, in `scratch.status`. It is enough for identity and size, and reads
    /// no attributes.
    Statx hostStatus(P9Scratch scratch, int fd) throws P9Error {
        P9Error.check(scratch.files.status(fd, scratch.status));
        return scratch.status;
    }

    /// The number of a file.
    long qidPath(Statx status) throws P9Error {
        return qids.path(status.device(), status.inode());
    }

    /// The number of a file.
    long qidPath(long device, long inode) throws P9Error {
        return qids.path(device, inode);
    }

    P9Qid qids() {
        return qids;
    }

    /// Lets the guest know a restored file by the number that it knows.
    ///
    /// @throws P9Error ESTALE if another file has it
    void restoreQid(Statx status, long qid) throws P9Error {
        qids.restore(status.device(), status.inode(), qid);
    }

    /// Writes the identity of the file in `scratch.status`.
    void writeQid(P9Scratch scratch) throws P9Error {
        scratch.out.qid(scratch.status.mode(), qidPath(scratch.status));
    }

    /// Holds a fid that is not open.
    ///
    /// @throws P9Error EBADF if there is none; EINVAL if it is open or an attribute
    P9Place holdPlace(int fid) throws P9Error {
        P9Object object = fids.hold(fid);
        if (object instanceof P9Place place) {
            return place;
        }
        fids.letGo(object);
        throw P9Error.of(object instanceof P9Stale ? Errno.ESTALE : Errno.EINVAL);
    }

    /// Holds a fid that is open.
    ///
    /// @throws P9Error EBADF if there is none, or it is not open
    P9OpenFile holdOpen(int fid) throws P9Error {
        P9Object object = fids.hold(fid);
        if (object instanceof P9OpenFile file) {
            return file;
        }
        fids.letGo(object);
        throw P9Error.of(object instanceof P9Stale ? Errno.ESTALE : Errno.EBADF);
    }

    /// Takes all fids away, and closes the root once no request runs. Called once.
    @Override
    public void close() {
        fids.clear(true);
        leave();
    }
}
