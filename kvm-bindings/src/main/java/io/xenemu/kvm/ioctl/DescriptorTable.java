package io.xenemu.kvm.ioctl;

/// GDTR or IDTR, `struct kvm_dtable`.
///
/// @param base linear address
/// @param limit 16 bits
public record DescriptorTable(long base, int limit) {}
