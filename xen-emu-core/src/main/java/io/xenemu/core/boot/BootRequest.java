package io.xenemu.core.boot;

import java.util.List;

/// What to put into a new guest beside the kernel.
///
/// @param map the guest's memory map
/// @param memory where it is written to
/// @param commandLine the kernel's command line
/// @param modules in order; bzImage kernels see them as one initramfs
public record BootRequest(
        GuestMemoryMap map, BootMemory memory, String commandLine, List<BootModule> modules) {
    public BootRequest {
        modules = List.copyOf(modules);
    }
}
