package io.xenemu.kvm.ioctl;

/// KVM's translation of a guest virtual address, `struct kvm_translation`.
///
/// @param physicalAddress the guest physical address, if valid
/// @param valid whether the address is mapped
public record Translation(long physicalAddress, boolean valid) {}
