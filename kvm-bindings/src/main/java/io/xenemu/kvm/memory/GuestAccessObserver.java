package io.xenemu.kvm.memory;

import java.lang.foreign.MemorySegment;

/// Sees what one vCPU's [LinearMemory] copies in and out of guest memory, on the thread that copies. Each call is about
/// bytes of one page. An access that fails is not seen.
///
/// It sees the bytes as the emulator has them, so a guest that changes its memory meanwhile cannot make the two differ.
public interface GuestAccessObserver {
    /// Bytes have been copied from the guest.
    ///
    /// @param linear the guest's address
    /// @param physical where that is, guest-physical
    /// @param bytes contains them from `offset` on; valid only during the call
    void copiedIn(long linear, long physical, MemorySegment bytes, long offset, int length);

    /// Bytes have been copied to the guest.
    ///
    /// @param linear the guest's address
    /// @param physical where that is, guest-physical
    /// @param bytes contains them from `offset` on; valid only during the call
    void copiedOut(long linear, long physical, MemorySegment bytes, long offset, int length);

    /// A number has been read from the guest.
    ///
    /// @param linear the guest's address
    /// @param physical where that is, guest-physical
    /// @param value its low `size` bytes count
    /// @param size 1 to 8
    void read(long linear, long physical, long value, int size);

    /// A number has been written to the guest.
    ///
    /// @param linear the guest's address
    /// @param physical where that is, guest-physical
    /// @param value its low `size` bytes count
    /// @param size 1 to 8
    void written(long linear, long physical, long value, int size);

    /// An address has been translated, and nothing was copied.
    ///
    /// @param linear the guest's address
    /// @param physical where that is, guest-physical
    /// @param write whether for writes
    void translated(long linear, long physical, boolean write);
}
