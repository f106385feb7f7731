package io.xenemu.core.memory;

import io.xenemu.kvm.memory.MissingPages;

/// The RAM of a domain while its pages come, with the domain running already. Threads of the service wait for a page
/// before they use it ([MissingPages]); vCPUs and the kernel wait where they touch one.
///
/// Any thread may use it.
public interface LatePages {
    /// The guard of pages that are still missing.
    MissingPages missing();

    /// Waits until all pages are there.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException if they are lost
    void awaitAll();

    /// Ends it, also if pages are missing. Called once nobody uses the memory, before it is unmapped. A second call
    /// does nothing.
    void end();
}
