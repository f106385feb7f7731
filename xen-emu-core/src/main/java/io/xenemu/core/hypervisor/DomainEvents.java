package io.xenemu.core.hypervisor;

/// Takes the events of domains from the places where they happen.
public interface DomainEvents {
    /// Tells of an event. Returns at once, so it may be called with a lock held.
    void tell(DomainEvent event);
}
