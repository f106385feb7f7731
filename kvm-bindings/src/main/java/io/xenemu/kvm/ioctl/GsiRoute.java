package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.VcpuId;

/// The destination of a global system interrupt, `struct kvm_irq_routing_entry`. A GSI may have several routes to
/// interrupt chips, but only one route of another kind.
public sealed interface GsiRoute {
    /// The interrupt's number: what irqfds and KVM_IRQ_LINE name.
    int gsi();

    /// To a pin of an in-kernel interrupt chip (KVM_IRQ_ROUTING_IRQCHIP).
    ///
    /// @param chip the interrupt chip
    /// @param pin 0 to 7 of a PIC, 0 to 23 of the I/O APIC
    record Irqchip(int gsi, IrqchipId chip, int pin) implements GsiRoute {}

    /// As a message (KVM_IRQ_ROUTING_MSI).
    ///
    /// @param address the address of the message, such as 0xfee00000 plus the APIC id shifted by 12
    /// @param data the data of the message: vector and delivery mode
    record Msi(int gsi, long address, int data) implements GsiRoute {}

    /// To an event channel of the guest (KVM_IRQ_ROUTING_XEN_EVTCHN), 2-level ABI.
    ///
    /// @param port the guest's port
    /// @param vcpu KVM's id of the vCPU to notify
    record XenEvtchn(int gsi, int port, VcpuId vcpu) implements GsiRoute {}
}
