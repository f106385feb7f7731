package io.xenemu.evtchn;

/// An eventfd through which other domains' kernels send events to one port of a domain: an irqfd on a route of type
/// `KVM_IRQ_ROUTING_XEN_EVTCHN`. [KernelPorts#openDoorbell] of one domain makes it, [KernelPorts#assignDoorbell] of
/// another uses it. This module does not look inside.
public interface KernelDoorbell {}
