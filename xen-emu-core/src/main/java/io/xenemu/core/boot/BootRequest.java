package io.xenemu.core.boot;

import java.util.List;

/// The things that a new guest gets in addition to its kernel.
///
/// @param map the guest's memory map
/// @param memory the guest's memory
/// @param commandLine the kernel's command line
/// @param modules in order; a bzImage kernel sees them as one initramfs
public record BootRequest(
        GuestMemoryMap map, BootMemory memory, String commandLine, List<BootModule> modules) {
    public BootRequest {
        modules = List.copyOf(modules);
    }
}
