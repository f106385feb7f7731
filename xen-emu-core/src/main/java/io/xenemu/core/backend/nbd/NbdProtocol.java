package io.xenemu.core.backend.nbd;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// The numbers of the NBD protocol (`proto.md` of the project NetworkBlockDevice), all in network byte order.
final class NbdProtocol {
    static final ValueLayout.OfShort BE_16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    static final ValueLayout.OfInt BE_32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    static final ValueLayout.OfLong BE_64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    // The handshake.

    /// `NBDMAGIC` in ASCII, the first bytes from every server.
    static final long MAGIC = 0x4e42444d41474943L;

    /// `IHAVEOPT` in ASCII: newstyle, and before each option.
    static final long OPTION_MAGIC = 0x49484156454F5054L;

    static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;

    /// Flags of the server and of the client: both have the same bits.
    static final int FIXED_NEWSTYLE = 1;

    static final int NO_ZEROES = 1 << 1;

    static final int OPT_EXPORT_NAME = 1;
    static final int OPT_GO = 7;
    static final int OPT_STRUCTURED_REPLY = 8;
    static final int OPT_SET_META_CONTEXT = 10;

    static final int REP_ACK = 1;
    static final int REP_INFO = 3;
    static final int REP_META_CONTEXT = 4;

    /// Replies with this bit are errors.
    static final int REP_ERROR = 1 << 31;

    static final int REP_ERR_UNSUP = REP_ERROR | 1;
    static final int REP_ERR_POLICY = REP_ERROR | 2;
    static final int REP_ERR_TLS_REQD = REP_ERROR | 5;
    static final int REP_ERR_UNKNOWN = REP_ERROR | 6;
    static final int REP_ERR_SHUTDOWN = REP_ERROR | 7;

    static final int INFO_EXPORT = 0;
    static final int INFO_BLOCK_SIZE = 3;

    // Flags of an export.

    static final int HAS_FLAGS = 1;
    static final int READ_ONLY = 1 << 1;
    static final int SEND_FLUSH = 1 << 2;
    static final int SEND_FUA = 1 << 3;
    static final int SEND_TRIM = 1 << 5;
    static final int SEND_WRITE_ZEROES = 1 << 6;
    static final int CAN_MULTI_CONN = 1 << 8;

    // Requests.

    static final int REQUEST_MAGIC = 0x25609513;

    /// Magic, flags, type, cookie, offset, length.
    static final int REQUEST_BYTES = 28;

    static final int CMD_READ = 0;
    static final int CMD_WRITE = 1;
    static final int CMD_DISC = 2;
    static final int CMD_FLUSH = 3;
    static final int CMD_TRIM = 4;
    static final int CMD_WRITE_ZEROES = 6;
    static final int CMD_BLOCK_STATUS = 7;

    static final int CMD_FLAG_FUA = 1;
    static final int CMD_FLAG_NO_HOLE = 1 << 1;

    // Replies.

    static final int SIMPLE_REPLY_MAGIC = 0x67446698;

    /// Magic, error, cookie.
    static final int SIMPLE_REPLY_BYTES = 16;

    static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;

    /// Magic, flags, type, cookie, length.
    static final int STRUCTURED_REPLY_BYTES = 20;

    static final int REPLY_FLAG_DONE = 1;
    static final int REPLY_NONE = 0;
    static final int REPLY_OFFSET_DATA = 1;
    static final int REPLY_OFFSET_HOLE = 2;
    static final int REPLY_BLOCK_STATUS = 5;

    /// Chunks with this bit are errors.
    static final int REPLY_ERROR = 1 << 15;

    /// The most bytes of data in one request for which a server is not to hang up.
    static final int SAFE_PAYLOAD = 1 << 25;

    private NbdProtocol() {}
}
