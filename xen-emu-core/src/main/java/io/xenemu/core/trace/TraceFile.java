package io.xenemu.core.trace;

/// The format of a trace, in a file and on the control socket, little-endian:
///
/// ```
/// header  magic u64 "XENEMUTR", version u32
/// block   length u32, CRC32C u32 of the body, body of that length: a kind u8, and then
///           1  the domain (TraceHeader), as the first block and no other
///           2  records (RecordLayout), one after the other
///           3  the end: records that were lost u64, and why it ended, a text
///           4  the next bytes of the domain's state, in blocks directly after the first, which says how many
/// ```
///
/// The domain of version 1 has no maximum of memory. Before version 3 there was no state, and all records were of
/// calls. Before version 4 the domain had its host's processor.
///
/// A trace may end after any block, for instance if its reader was stopped. A change of any layout is a new
/// version; files of old versions are kept as tests.
final class TraceFile {
    static final long MAGIC = 0x5254_554d_454e_4558L; // "XENEMUTR"
    static final int VERSION = 4;
    static final int HEADER_BYTES = Long.BYTES + Integer.BYTES;
    static final int BLOCK_HEADER_BYTES = 2 * Integer.BYTES;

    /// Bytes of a block's body.
    static final int MAX_BLOCK = 64 << 10;

    /// Bytes of the reason at the end.
    static final int MAX_REASON = 200;

    static final byte DOMAIN = 1;
    static final byte RECORDS = 2;
    static final byte END = 3;
    static final byte STATE = 4;

    /// The most bytes of a domain's state: more than shared pages and tables of any ordinary domain. A trace of a
    /// domain with more begins without it.
    static final int MAX_STATE = 16 << 20;

    private TraceFile() {}
}
