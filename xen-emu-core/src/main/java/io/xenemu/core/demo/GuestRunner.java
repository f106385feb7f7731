package io.xenemu.core.demo;

import java.util.List;

/// Runs a guest as `xen-emu run` does.
@FunctionalInterface
public interface GuestRunner {
    /// Runs it in the foreground.
    ///
    /// @param runArguments the words after `xen-emu run`
    /// @return the exit code of `xen-emu run`
    int run(List<String> runArguments);
}
