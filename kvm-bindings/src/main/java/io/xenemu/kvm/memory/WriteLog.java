package io.xenemu.kvm.memory;

/// Learns which bytes of a domain's memory this process writes. KVM's dirty log has only the guest's own writes.
@FunctionalInterface
public interface WriteLog {
    /// Some bytes have been written. Called after the write, on the thread that has made it, with any locks held: it
    /// neither waits nor calls back.
    ///
    /// @param address host address of the first byte
    /// @param length at least 1, in one mapping
    void written(long address, long length);
}
