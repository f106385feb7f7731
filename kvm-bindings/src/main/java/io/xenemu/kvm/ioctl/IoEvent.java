package io.xenemu.kvm.ioctl;

import java.util.OptionalLong;

/// A guest's write that signals an eventfd instead of exiting to user space, `struct kvm_ioeventfd`.
///
/// @param pio whether `address` is an I/O port; else it is a guest physical address
/// @param address the address of the write
/// @param length bytes of the write: 1, 2, 4 or 8; 0 for any, without a match
/// @param match the value that has to be written, or empty for any
public record IoEvent(boolean pio, long address, int length, OptionalLong match) {}
