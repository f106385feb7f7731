package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallContext;

/// The layout of a record, in the rings and in the file, little-endian:
///
/// | offset | size | content |
/// |---|---|---|
/// | 0 | 4 | length of the record |
/// | 4 | 2 | vCPU; [#NO_VCPU] if none is concerned |
/// | 6 | 1 | flags: [#NARROW], [#CUT], [#WITHIN], [#EVENT] |
/// | 7 | 1 | privilege level of the caller |
/// | 8 | 8 | begin, in ns since the trace began |
/// | 16 | 8 | end, likewise |
/// | 24 | 8 | records of this ring that were lost so far |
/// | 32 | 8 | number of the hypercall, or kind of the event ([TraceKind]) |
/// | 40 | 48 | parameters of the hypercall, or numbers of the event |
/// | 88 | 8 | result |
/// | 96 | | accesses to guest memory, in order, or the text of the event in UTF-8 |
///
/// An access is within one page. It has a kind of 1 byte, a length of 2 bytes, the linear and the guest-physical
/// address of 8 bytes each, and the bytes. An address that was only looked up has no bytes.
final class RecordLayout {
    /// The longest record. A batch of grants has this many bytes after about 70 structures; the rest is cut off, and
    /// the record says so.
    static final int MAX_BYTES = 8192;

    static final int VCPU = 4;
    static final int FLAGS = 6;
    static final int CPL = 7;
    static final int BEGIN = 8;
    static final int END = 16;
    static final int LOST = 24;
    static final int NUMBER = 32;
    static final int PARAMETERS = 40;
    static final int RESULT = PARAMETERS + Long.BYTES * HypercallContext.PARAMETERS;
    static final int ACCESSES = RESULT + Long.BYTES;

    /// Bytes of an access before its content.
    static final int ACCESS_HEADER = 1 + Short.BYTES + 2 * Long.BYTES;

    /// The caller was in 32-bit mode.
    static final int NARROW = 1;

    /// Some accesses did not fit.
    static final int CUT = 1 << 1;

    /// A call of a multicall, whose record follows.
    static final int WITHIN = 1 << 2;

    /// No call, but an event.
    static final int EVENT = 1 << 3;

    /// The vCPU of an event that concerns none.
    static final int NO_VCPU = 0xffff;

    private RecordLayout() {}
}
