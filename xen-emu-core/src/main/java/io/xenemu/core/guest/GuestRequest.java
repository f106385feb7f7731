package io.xenemu.core.guest;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.boot.BootMemory;
import io.xenemu.core.boot.BootRequest;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A guest as an operator requests it.
///
/// @param config the domain
/// @param onlineVcpus how many of its vCPUs it is to use at first
/// @param kernel its kernel
/// @param modules `--initrd` arguments: `FILE` or `FILE ARGS`
/// @param commandLine the kernel's
/// @param platform its clock and VM generation id
/// @param ends the actions after its domain has stopped
/// @param devices its disks and network interfaces from the start
/// @param overcommit whether it is started even if the host lacks the memory for it
/// @param engines the engines that serve its devices
/// @param kept the contents of its kernel and modules if it was restored; else null, and the files themselves are read
/// @param domid the id of its next domain; null for the next one of the service's policy
public record GuestRequest(
        DomainConfig config,
        int onlineVcpus,
        Path kernel,
        List<String> modules,
        String commandLine,
        PlatformSettings platform,
        EndActions ends,
        List<DeviceSpec> devices,
        boolean overcommit,
        EngineMap engines,
        @Nullable DomId domid,
        @Nullable KeptBootFiles kept) {
    public GuestRequest {
        modules = List.copyOf(modules);
        devices = List.copyOf(devices);
    }

    /// A guest without devices from the start, whose devices all engines serve.
    public GuestRequest(
            DomainConfig config,
            int onlineVcpus,
            Path kernel,
            List<String> modules,
            String commandLine,
            PlatformSettings platform,
            EndActions ends,
            boolean overcommit) {
        this(
                config,
                onlineVcpus,
                kernel,
                modules,
                commandLine,
                platform,
                ends,
                List.of(),
                overcommit,
                EngineMap.DEFAULT,
                null,
                null);
    }

    /// A guest of the same kind that ends with its first domain, and has no devices from the start.
    ///
    /// @param initramfs its only module
    public GuestRequest sibling(String name, String initramfs) {
        return new GuestRequest(
                config.sibling(name),
                onlineVcpus,
                kernel,
                List.of(initramfs),
                commandLine,
                platform.sibling(),
                EndActions.ONCE,
                List.of(),
                overcommit,
                engines,
                null,
                null);
    }

    /// A copy of a saved guest, with a name and UUID of its own. Its devices are those of the saved domain.
    GuestRequest cloned(String name) {
        return new GuestRequest(
                config.sibling(name),
                onlineVcpus,
                kernel,
                modules,
                commandLine,
                platform,
                ends,
                List.of(),
                overcommit,
                engines,
                null,
                kept);
    }

    /// The request for the guest's next boot, after a reboot. Its domain has the next id then, as under xl.
    ///
    /// @param memory bytes that it has at first
    /// @param online how many of its vCPUs it is to use at first
    /// @param next its clock and VM generation id, as the last boot has left them
    /// @param map the engines that serve its devices
    GuestRequest nextBoot(long memory, int online, PlatformSettings next, EngineMap map) {
        return new GuestRequest(
                config.withMemory(memory),
                online,
                kernel,
                modules,
                commandLine,
                next,
                ends,
                devices,
                overcommit,
                map,
                null,
                kept);
    }

    /// The same request, for another configuration.
    GuestRequest withConfig(DomainConfig other) {
        return with(other, kept);
    }

    /// The same request, whose files were kept.
    GuestRequest withKept(KeptBootFiles files) {
        return with(config, files);
    }

    private GuestRequest with(DomainConfig other, @Nullable KeptBootFiles files) {
        return new GuestRequest(
                other,
                onlineVcpus,
                kernel,
                modules,
                commandLine,
                platform,
                ends,
                devices,
                overcommit,
                engines,
                domid,
                files);
    }

    /// Opens its kernel and modules.
    ///
    /// @throws BootException when a file is no kernel, or cannot be read
    BootFiles open() throws BootException {
        // The guest may be given no more than it has room for.
        long most = config.maxMemoryBytes();
        return kept == null
                ? BootFiles.open(kernel, modules, most)
                : BootFiles.open(kept, modules, most);
    }

    /// Checks the files without KVM: places everything as for a boot, and writes it nowhere.
    ///
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit into the guest
    public void check() throws BootException {
        GuestMemoryMap map = new GuestMemoryMap(config.maxMemoryBytes());
        try (BootFiles files = open()) {
            files.kernel()
                    .load(
                            new BootRequest(
                                    map, BootMemory.ofNoGuest(), commandLine, files.modules()));
        }
    }
}
