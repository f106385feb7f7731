package io.xenemu.core.cli;

/// The name under which this program was started: `xen-emu`, or `xl` by a link. Messages begin with it.
final class Program {
    /// Set by the launcher.
    private static final String PROPERTY = "xen-emu.program";

    private static final String NAME = "xen-emu";

    /// The other name that it may have.
    private static final String XL = "xl";

    private Program() {}

    /// The name.
    static String name() {
        return XL.equals(System.getProperty(PROPERTY)) ? XL : NAME;
    }

    /// The beginning of a message.
    static String prefix() {
        return name() + ": ";
    }
}
