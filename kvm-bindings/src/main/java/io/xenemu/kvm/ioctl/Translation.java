package io.xenemu.kvm.ioctl;

/// KVM's own answer to what a guest virtual address means, `struct kvm_translation`.
///
/// @param physicalAddress the guest physical address, if valid
/// @param valid whether the address is mapped
public record Translation(long physicalAddress, boolean valid) {}
