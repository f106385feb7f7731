package io.xenemu.core.hypervisor;

/// Takes what happens to domains, from the places where it happens.
public interface DomainEvents {
    /// Tells of an event. Returns at once, so it may be called with a lock held.
    void tell(DomainEvent event);
}
