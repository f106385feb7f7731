package io.xenemu.evtchn;

/// A way into a domain that the kernel offers to others: an eventfd whose signals become events of one of its ports, being
/// an irqfd on a route of type `KVM_IRQ_ROUTING_XEN_EVTCHN`. Made by one domain's [KernelPorts#openDoorbell], rung through
/// another's [KernelPorts#assignDoorbell]; nothing is known of it here.
public interface KernelDoorbell {}
