package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A server of 9P2000.L for one share: takes the bytes of a request, gives the bytes of an answer. It knows nothing of
/// rings. Any number of threads may call [#handle], each with its own [P9Scratch].
///
/// Every request has an answer: what it asks for, or Rlerror with a Linux errno. No bytes of a guest make an exception.
final class P9Server implements AutoCloseable {
    /// The least message size that a client may ask for: an answer about a file and a name of any length fit.
    static final int MSIZE_MIN = 4096;

    /// The largest message, as Linux asks for over rings of 2 MiB.
    static final int MSIZE_MAX = 512 << 10;

    private static final byte[] VERSION = "9P2000.L".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] UNKNOWN = "unknown".getBytes(StandardCharsets.US_ASCII);

    /// The most bytes of an answer that has neither data nor a name: Rwalk of 16 names.
    static final int SMALL_ANSWER = 256;

    /// Rgetlock beside the client's name.
    private static final int LOCK_ANSWER = P9Reader.HEADER + 1 + 8 + 8 + 4 + 2;

    /// Where `count` is in Tread and Treaddir, behind the header.
    private static final int COUNT_AT = 12;

    /// Where `flags` is in Tlopen, behind the header.
    private static final int FLAGS_AT = 4;

    private final P9Session session;
    private final P9Observer observer;
    private volatile int msizeMax = MSIZE_MIN;
    private final P9Walks walks;
    private final P9Opens opens;
    private final P9Contents contents;
    private final P9Names names;
    private final P9Attributes attributes;
    private final P9ExtendedAttributes extended;
    private final P9Locks locks;

    /// The message size that the guest has agreed to; 0 before.
    private volatile int msize;

    /// @param observer told of each request's end
    /// @throws io.xenemu.kvm.abi.KvmException if the folder cannot be opened
    P9Server(P9Export export, P9Observer observer) {
        this(new P9Session(export), observer);
    }

    /// @param root the descriptor of the share's folder, which another process had open; taken over
    P9Server(P9Export export, P9Observer observer, int root) {
        this(new P9Session(export, root), observer);
    }

    private P9Server(P9Session session, P9Observer observer) {
        this.observer = observer;
        this.session = session;
        walks = new P9Walks(session);
        opens = new P9Opens(session);
        contents = new P9Contents(session);
        names = new P9Names(session);
        attributes = new P9Attributes(session);
        extended = new P9ExtendedAttributes(session);
        locks = new P9Locks(session);
    }

    /// The most bytes that the answer to a request can have, so that a transport can keep room for it.
    ///
    /// @param size bytes of the request, at least a header
    int answerBound(MemorySegment request, int size) {
        int limit = msize == 0 ? MSIZE_MIN : msize;
        P9Operation operation = operation(request);
        if (operation == P9Operation.READ || operation == P9Operation.READDIR) {
            long count =
                    size < P9Reader.HEADER + COUNT_AT + Integer.BYTES
                            ? 0
                            : Integer.toUnsignedLong(
                                    request.get(
                                            JAVA_INT_UNALIGNED, P9Reader.HEADER + (long) COUNT_AT));
            return (int) Math.min(limit, Math.max(SMALL_ANSWER, count + P9Contents.DATA_AT));
        }
        if (operation == P9Operation.READLINK) {
            return Math.min(limit, P9Scratch.PATH_MAX + P9Reader.HEADER + Short.BYTES);
        }
        return operation == P9Operation.GETLOCK ? LOCK_ANSWER + P9Locks.CLIENT_MAX : SMALL_ANSWER;
    }

    private static @Nullable P9Operation operation(MemorySegment request) {
        return P9Operation.of(Byte.toUnsignedInt(request.get(JAVA_BYTE, Integer.BYTES)));
    }

    /// The tag of a request or an answer.
    static int tag(MemorySegment message) {
        return Short.toUnsignedInt(message.get(JAVA_SHORT_UNALIGNED, Integer.BYTES + 1L));
    }

    /// Carries out one request.
    ///
    /// @param request private memory; the size in its header does not count
    /// @param size bytes of the request, at least a header
    /// @param answer private memory for the answer, at least `bound` bytes
    /// @param bound of [#answerBound] when the request was taken: a Tversion may have changed the message size since
    /// @return bytes of the answer, at most `bound`
    int handle(P9Scratch s, MemorySegment request, int size, MemorySegment answer, int bound) {
        P9Operation operation = operation(request);
        int tag = tag(request);
        s.limit = bound;
        s.in.start(request, size);
        s.out.start(answer);
        int errno = 0;
        int end = 0;
        try {
            if (operation == null) {
                throw P9Error.of(Errno.EOPNOTSUPP);
            }
            inSession(s, operation);
            end = s.out.end(operation.answer(), tag);
        } catch (P9Error e) {
            errno = e.errno();
            end = error(s, answer, errno, tag);
        }
        observer.ended(operation, errno, size, end);
        return end;
    }

    private void inSession(P9Scratch s, P9Operation operation) throws P9Error {
        if (!session.enter()) {
            throw P9Error.of(Errno.EIO);
        }
        try {
            admit(s, operation);
            if (session.usage().isLimited()) {
                withinQuota(s, operation);
            } else {
                carryOut(s, operation);
            }
        } finally {
            session.leave();
        }
    }

    /// Writes Rlerror.
    private static int error(P9Scratch s, MemorySegment answer, int errno, int tag) {
        s.out.start(answer);
        s.out.u32(errno);
        return s.out.end(P9Operation.RLERROR, tag);
    }

    /// The one place that keeps a request back: before the version is agreed, and all that write if the share is
    /// read-only.
    private void admit(P9Scratch s, P9Operation operation) throws P9Error {
        if (msize == 0 && operation != P9Operation.VERSION) {
            throw P9Error.of(Errno.EPROTO);
        }
        boolean writes =
                operation.writes()
                        || (operation == P9Operation.LOPEN
                                && P9Opens.writes(s.in.peek32(FLAGS_AT)));
        if (writes && session.isReadOnly()) {
            if (operation == P9Operation.REMOVE) {
                walks.clunk(s);
            }
            throw P9Error.of(Errno.EROFS);
        }
    }

    /// Carries out a request of a share with a quota. A write takes its own room.
    private void withinQuota(P9Scratch s, P9Operation operation) throws P9Error {
        P9Usage usage = session.usage();
        switch (operation) {
            case LCREATE, SYMLINK, MKNOD, LINK, MKDIR -> usage.takeName();
            case XATTRCREATE -> usage.takeBytes(P9Limits.ATTRIBUTE_BYTES);
            default -> {
                // It adds nothing.
            }
        }
        try {
            carryOut(s, operation);
        } finally {
            switch (operation) {
                case READ, WRITE, READDIR, GETATTR, WALK -> {
                    // It removes nothing.
                }
                default -> usage.changed();
            }
        }
    }

    private void carryOut(P9Scratch s, P9Operation operation) throws P9Error {
        switch (operation) {
            case STATFS -> attributes.statfs(s);
            case LOPEN -> opens.lopen(s);
            case LCREATE -> opens.lcreate(s);
            case SYMLINK -> names.symlink(s);
            case MKNOD -> names.mknod(s);
            case RENAME -> names.rename(s);
            case READLINK -> contents.readlink(s);
            case GETATTR -> attributes.getattr(s);
            case SETATTR -> attributes.setattr(s);
            case XATTRWALK -> extended.walk(s);
            case XATTRCREATE -> extended.create(s);
            case READDIR -> contents.readdir(s);
            case FSYNC -> contents.fsync(s);
            case LOCK -> locks.lock(s);
            case GETLOCK -> locks.getlock(s);
            case LINK -> names.link(s);
            case MKDIR -> names.mkdir(s);
            case RENAMEAT -> names.renameat(s);
            case UNLINKAT -> names.unlinkat(s);
            case VERSION -> version(s);
            // Nobody has to show who they are; Linux's client does not ask either.
            case AUTH -> throw P9Error.of(Errno.EOPNOTSUPP);
            case ATTACH -> walks.attach(s);
            // The transport answers in the right order.
            case FLUSH -> s.in.u16();
            case WALK -> walks.walk(s);
            case READ -> contents.read(s);
            case WRITE -> contents.write(s);
            case CLUNK -> walks.clunk(s);
            case REMOVE -> names.remove(s);
        }
    }

    /// Tversion: `msize[4] version[s]`. Begins a session: all fids of the one before are gone.
    private void version(P9Scratch s) throws P9Error {
        int asked = s.in.u32();
        int length = s.in.skipString();
        boolean known = s.in.endsWith(VERSION, length);
        int size = Integer.compareUnsigned(asked, msizeMax) < 0 ? asked : msizeMax;
        if (known && size < MSIZE_MIN) {
            throw P9Error.of(Errno.EMSGSIZE);
        }
        session.fids().clear(false);
        msize = known ? size : 0;
        byte[] answer = known ? VERSION : UNKNOWN;
        s.out.u32(size);
        s.out.u16(answer.length);
        for (byte one : answer) {
            s.out.u8(one);
        }
    }

    /// Fids that the guest holds.
    int fids() {
        return session.fids().count();
    }

    /// Descriptors open for the share, without its root's.
    int openFiles() {
        return session.descriptors().count();
    }

    /// Whether the guest has attached to the share and not let it go.
    boolean isMounted() {
        return session.fids().isMounted();
    }

    /// A guest connects.
    ///
    /// @param most the largest message that the transport passes, [#MSIZE_MIN] to [#MSIZE_MAX]
    void connect(int most) {
        msizeMax = most;
    }

    /// Charges the guest's share of the process's descriptors for the files that it opens.
    void charge(HostBudget.Share descriptors) {
        session.descriptors().charge(descriptors);
    }

    /// The message size that the guest has agreed to; 0 before.
    int msize() {
        return msize;
    }

    /// The state of the guest's fids. No request runs.
    ///
    /// @param scratch for this thread
    List<P9State.Fid> save(P9Scratch scratch) {
        return new P9SavedFids(session, scratch).save();
    }

    /// The descriptor of the share's folder.
    int root() {
        return session.root();
    }

    /// The guest's fids, for another process of this host. No request runs.
    P9HandedFids.Given handOver() {
        return P9HandedFids.of(session);
    }

    /// Takes over the session of a guest of another process of this host, after [#connect].
    ///
    /// @param scratch for this thread
    /// @param agreed the message size that the guest has agreed to; 0 before
    /// @throws io.xenemu.kvm.abi.KvmException if the guest may not have so many descriptors
    void take(P9Scratch scratch, int agreed, P9HandedFids.Given given) {
        msize = agreed;
        new P9HandedFids(session, scratch, given).take();
    }

    /// Takes over the session of a restored guest, after [#connect].
    ///
    /// @param scratch for this thread
    /// @param agreed the message size that the guest has agreed to; 0 before
    /// @return fids whose files are not there any more
    int restore(P9Scratch scratch, int agreed, List<P9State.Fid> fids) {
        msize = agreed;
        return new P9SavedFids(session, scratch).restore(fids);
    }

    /// The guest has gone: all its fids are dropped, as by Tversion.
    void disconnect() {
        session.fids().clear(false);
        msize = 0;
    }

    /// Ends the share. Requests that still run end by themselves.
    @Override
    public void close() {
        session.close();
    }
}
