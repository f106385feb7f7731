package io.xenemu.core.trace;

/// The format of a trace, in a file and on the control socket, little-endian:
///
/// ```
/// header  magic u64 "XENEMUTR", version u32
/// block   length u32, CRC32C u32 of the body, body of that length: a kind u8, and then
///           1  the domain (TraceHeader), as the first block and no other
///           2  records of calls (RecordLayout), one after the other
///           3  the end: calls that were lost u64, and why it ended, a text
/// ```
///
/// The domain of version 1 has no maximum of memory.
///
/// A trace may end after any block, for instance if its reader was stopped. A change of any layout is a new
/// version; files of old versions are kept as tests.
final class TraceFile {
    static final long MAGIC = 0x5254_554d_454e_4558L; // "XENEMUTR"
    static final int VERSION = 2;
    static final int HEADER_BYTES = Long.BYTES + Integer.BYTES;
    static final int BLOCK_HEADER_BYTES = 2 * Integer.BYTES;

    /// Bytes of a block's body.
    static final int MAX_BLOCK = 64 << 10;

    /// Bytes of the reason at the end.
    static final int MAX_REASON = 200;

    static final byte DOMAIN = 1;
    static final byte CALLS = 2;
    static final byte END = 3;

    private TraceFile() {}
}
