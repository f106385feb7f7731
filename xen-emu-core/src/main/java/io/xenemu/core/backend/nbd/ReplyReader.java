package io.xenemu.core.backend.nbd;

import static io.xenemu.core.backend.nbd.NbdProtocol.*;

import io.xenemu.kvm.abi.Errno;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Reads a server's replies in the transmission phase, in whatever order they come, and writes their data to its
/// place. A reply that cannot be is an [NbdException], after which the connection is of no use. Belongs to one thread.
final class ReplyReader {
    /// The requests that were sent.
    interface Requests {
        /// The request with a cookie that has not been answered, or null.
        @Nullable NbdRequest find(long cookie);

        /// The request's last reply has come.
        ///
        /// @param errno 0 or Linux's number
        void answered(NbdRequest request, int errno);
    }

    /// Bytes of an error with its text: the protocol's longest string is 4096 bytes.
    private static final int LONGEST_ERROR = 16 * 1024;

    private static final int ERROR_BYTES = Integer.BYTES + Short.BYTES;
    private static final int HOLE_BYTES = Long.BYTES + Integer.BYTES;

    /// A length and a state.
    private static final int EXTENT_BYTES = 2 * Integer.BYTES;

    /// A server is not to send more extents in one chunk.
    private static final int MOST_EXTENTS = 1 << 20;

    private final ReplyBuffer in;
    private final NbdExport export;
    private final Requests requests;

    ReplyReader(ReplyBuffer in, NbdExport export, Requests requests) {
        this.in = in;
        this.export = export;
        this.requests = requests;
    }

    /// Reads a simple reply or a chunk of a structured one.
    void readOne() throws IOException {
        int magic = in.peekInt();
        if (magic == SIMPLE_REPLY_MAGIC) {
            simple();
        } else if (magic == STRUCTURED_REPLY_MAGIC && export.structured()) {
            chunk();
        } else {
            throw broken("a reply with magic 0x%x".formatted(magic));
        }
    }

    private void simple() throws IOException {
        in.require(SIMPLE_REPLY_BYTES);
        in.skip(Integer.BYTES);
        int error = errno(in.nextInt());
        NbdRequest request = find(in.nextLong());
        int command = request.command();
        if (command == CMD_READ) {
            if (export.structured()) {
                throw broken("a simple reply to a read");
            }
            if (error == 0) {
                in.copyTo(request.data(), request.done, request.part);
                request.covered = request.part;
            }
        } else if (command == CMD_BLOCK_STATUS && error == 0) {
            throw broken("a simple reply to a block status");
        }
        requests.answered(request, error);
    }

    private void chunk() throws IOException {
        in.require(STRUCTURED_REPLY_BYTES);
        in.skip(Integer.BYTES);
        int flags = in.nextUnsignedShort();
        int type = in.nextUnsignedShort();
        NbdRequest request = find(in.nextLong());
        int length = in.nextInt();
        boolean isLast = (flags & REPLY_FLAG_DONE) != 0;
        if (length < 0) {
            throw broken("a chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        if ((type & REPLY_ERROR) != 0) {
            error(request, type, length);
        } else {
            content(request, type, length, isLast);
        }
        if (isLast) {
            finish(request);
        }
    }

    private void content(NbdRequest request, int type, int length, boolean isLast)
            throws IOException {
        int command = request.command();
        switch (type) {
            case REPLY_NONE -> expect(length == 0 && isLast, type, length);
            case REPLY_OFFSET_DATA -> {
                long most = (long) Long.BYTES + request.part;
                expect(command == CMD_READ && length > Long.BYTES && length <= most, type, length);
                long at = place(request, in.nextLong(), length - Long.BYTES);
                in.copyTo(request.data(), at, length - Long.BYTES);
            }
            case REPLY_OFFSET_HOLE -> {
                expect(command == CMD_READ && length == HOLE_BYTES, type, length);
                long offset = in.nextLong();
                long size = in.nextUnsignedInt();
                expect(size != 0, type, length);
                request.data().zero(place(request, offset, size), size);
            }
            case REPLY_BLOCK_STATUS -> {
                expect(command == CMD_BLOCK_STATUS, type, length);
                blockStatus(request, length);
            }
            default -> throw broken("a chunk of type " + type);
        }
    }

    /// Checks that a part of a read lies in it and has not come before.
    ///
    /// @return where in the request's data it begins
    private long place(NbdRequest request, long offset, long length) throws NbdException {
        long begin = offset - request.partOffset();
        if (begin < 0 || length > request.part || begin > request.part - length) {
            throw broken("data outside of the read");
        }
        boolean isNext = begin == request.covered;
        ChunkCoverage scattered = request.scattered;
        if (isNext && scattered == null) {
            request.covered += length;
        } else {
            if (scattered == null) {
                scattered = new ChunkCoverage();
                request.scattered = scattered;
            }
            if (begin < request.covered || !scattered.add(begin, length)) {
                throw broken("data that comes twice, or in too many parts");
            }
        }
        return request.done + begin;
    }

    private void blockStatus(NbdRequest request, int length) throws IOException {
        int payload = length - Integer.BYTES;
        int count = payload / EXTENT_BYTES;
        if (payload <= 0 || payload % EXTENT_BYTES != 0 || count > MOST_EXTENTS) {
            throw broken("a block status of " + length + " bytes");
        }
        NbdExtents extents = request.extents;
        if (in.nextUnsignedInt() != export.allocation() || extents == null || extents.count() > 0) {
            throw broken("a block status that was not asked for");
        }
        for (int i = 0; i < count; i++) {
            long size = in.nextUnsignedInt();
            if (size == 0) {
                throw broken("a block status of an empty range");
            }
            extents.add(size, in.nextInt());
        }
    }

    private void error(NbdRequest request, int type, int length) throws IOException {
        expect(length >= ERROR_BYTES && length <= LONGEST_ERROR, type, length);
        int error = errno(in.nextInt());
        int text = in.nextUnsignedShort();
        expect(error != 0 && text <= length - ERROR_BYTES, type, length);
        // The text and the offset are for an operator who looks at the server's side.
        in.skip(length - ERROR_BYTES);
        if (request.errno == 0) {
            request.errno = error;
        }
    }

    private void finish(NbdRequest request) throws NbdException {
        if (request.errno == 0) {
            int command = request.command();
            long covered = request.covered;
            if (request.scattered != null) {
                covered = request.scattered.endFrom(covered);
            }
            NbdExtents extents = request.extents;
            if (command == CMD_READ && covered != request.part) {
                throw broken("a read that lacks data");
            }
            if (command == CMD_BLOCK_STATUS && (extents == null || extents.count() == 0)) {
                throw broken("a block status without ranges");
            }
        }
        requests.answered(request, request.errno);
    }

    private NbdRequest find(long cookie) throws NbdException {
        NbdRequest request = requests.find(cookie);
        if (request == null) {
            throw broken("a reply to no request");
        }
        return request;
    }

    /// Linux's number for an error, which is the same for those that the protocol has. A server that shuts down has not
    /// carried the request out: its successor gets it.
    private static int errno(int error) throws NbdException {
        if (error == Errno.ESHUTDOWN) {
            throw new NbdException("the NBD server is shutting down");
        }
        return switch (error) {
            case 0 -> 0;
            case Errno.EPERM,
                    Errno.EIO,
                    Errno.ENOMEM,
                    Errno.EINVAL,
                    Errno.ENOSPC,
                    Errno.EOVERFLOW,
                    Errno.EOPNOTSUPP ->
                    error;
            default -> Errno.EINVAL;
        };
    }

    private static void expect(boolean holds, int type, int length) throws NbdException {
        if (!holds) {
            throw broken("a chunk of type %d with %d bytes".formatted(type, length));
        }
    }

    private static NbdException broken(String what) {
        return new NbdException("the NBD server breaks the protocol: " + what);
    }
}
