package io.xenemu.core.cli;

import picocli.CommandLine.Command;

/// The `xen-emu` command.
@Command(name = "xen-emu", description = "Runs unmodified Xen guests on KVM.")
public final class XenEmu {
    private XenEmu() {}

    public static void main(String[] args) {}
}
