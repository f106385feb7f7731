package io.xenemu.core.trace;

/// Bytes that a recorded call has copied, within one page of the guest's.
///
/// @param kind in which direction; without bytes for an address that was only looked up
/// @param linear the guest's address
/// @param physical the guest-physical address
/// @param bytes the bytes, which never change
@SuppressWarnings("ArrayRecordComponent")
public record TracedAccess(AccessKind kind, long linear, long physical, byte[] bytes) {}
