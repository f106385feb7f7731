package io.xenemu.core.domain;

import io.xenemu.core.memory.DomainMemory;
import io.xenemu.kvm.abi.DomId;

/// The source of a domain: a boot, or a saved state.
public sealed interface DomainOrigin {
    /// A new domain, as Xen creates one.
    ///
    /// @param id of the domain
    /// @param config of the domain
    record Boot(DomId id, DomainConfig config) implements DomainOrigin {}

    /// A domain that was saved. It gets the same id: the guest knows it from CPUID, XenStore and its grants.
    ///
    /// @param state of all its parts
    /// @param ram fills its RAM
    record Saved(XenState state, RamContents ram) implements DomainOrigin {
        @Override
        public DomId id() {
            return state.id();
        }

        @Override
        public DomainConfig config() {
            return state.identity().config();
        }
    }

    /// Brings back the contents of RAM, which are not in [XenState].
    @FunctionalInterface
    interface RamContents {
        /// Fills the RAM of a new domain, which is all zeros, or lets its pages come later. No page has been used or
        /// shown elsewhere.
        void fill(DomainMemory memory);
    }

    /// The domain's id.
    DomId id();

    /// The domain's configuration.
    DomainConfig config();
}
