package io.xenemu.core.domain;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.MemFd;
import java.util.Optional;

/// The source of a domain: a boot, a saved state, or the image of another hypervisor's guest.
public sealed interface DomainOrigin {
    /// A new domain, as Xen creates one.
    ///
    /// @param id of the domain
    /// @param config of the domain
    record Boot(DomId id, DomainConfig config) implements DomainOrigin {
        @Override
        public Optional<MachineLayout> layout() {
            return Optional.empty();
        }
    }

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

        @Override
        public Optional<MachineLayout> layout() {
            return state.layout();
        }
    }

    /// A domain of another hypervisor whose guest has suspended itself there. It goes on as in a new domain: the guest
    /// asks for all that Xen keeps of it anew. So only memory and processor come from its image.
    ///
    /// @param id of the domain, which is a new one
    /// @param config of the domain
    /// @param machine where its memory is, and its APIC ids
    /// @param memory the pages that it has
    /// @param ram fills its RAM
    record Imported(
            DomId id,
            DomainConfig config,
            MachineLayout machine,
            MemoryState memory,
            RamContents ram)
            implements DomainOrigin {
        @Override
        public Optional<MachineLayout> layout() {
            return Optional.of(machine);
        }

        /// The same domain, with the processor that the host has offered it.
        public Imported withConfig(DomainConfig offered) {
            return new Imported(id, offered, machine, memory, ram);
        }
    }

    /// A new domain whose VM another VMM has made.
    ///
    /// @param id of the domain
    /// @param config of the domain
    /// @param machine where its memory is
    /// @param ram the guest's memory; the domain closes it
    record Attached(DomId id, DomainConfig config, MachineLayout machine, MemFd ram)
            implements DomainOrigin {
        @Override
        public Optional<MachineLayout> layout() {
            return Optional.of(machine);
        }
    }

    /// Brings back the contents of RAM, which are not in [XenState].
    @FunctionalInterface
    interface RamContents {
        /// Fills the RAM of a new domain, which is all zeros, or lets its pages come later. No page has been used or
        /// shown elsewhere.
        void fill(DomainMemory memory);

        /// Memory that has the contents already; the caller closes it from now on. Empty if the domain gets new memory.
        default Optional<MemFd> file() {
            return Optional.empty();
        }
    }

    /// The domain's id.
    DomId id();

    /// The domain's configuration.
    DomainConfig config();

    /// The layout of its machine if another hypervisor has built it; empty for one of our own.
    Optional<MachineLayout> layout();

    /// Memory that has the contents of RAM already; the caller closes it from now on.
    default Optional<MemFd> ramFile() {
        return switch (this) {
            case Boot _ -> Optional.empty();
            case Saved saved -> saved.ram().file();
            case Imported imported -> imported.ram().file();
            case Attached attached -> Optional.of(attached.ram());
        };
    }

    /// The guest's memory map, from the layout or the configuration.
    ///
    /// @throws BootException if no guest can have so much memory
    default GuestMemoryMap memoryMap() throws BootException {
        Optional<MachineLayout> layout = layout();
        return layout.isPresent()
                ? new GuestMemoryMap(layout.get())
                : new GuestMemoryMap(config().maxMemoryBytes());
    }
}
