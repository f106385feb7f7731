package io.xenemu.kvm.abi;

/// A Xen virtual CPU number within its domain, counted from 0. It equals KVM's vCPU id, the APIC id and the ACPI
/// processor id, but for guests that another hypervisor has built: theirs may be a multiple of it.
///
/// @param value 0 or greater
public record VcpuId(int value) {
    public VcpuId {
        if (value < 0) {
            throw new IllegalArgumentException("vCPU id out of range: " + value);
        }
    }

    @Override
    public String toString() {
        return "vcpu" + value;
    }
}
