package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import picocli.CommandLine.IVersionProvider;

/// The output of `--version`: this program, the JDK that runs it, and the version of the control protocol.
final class ProgramVersion implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {
            "xen-emu "
                    + ControlClient.PROGRAM_VERSION
                    + ", commit "
                    + System.getProperty(ControlClient.COMMIT, "unknown"),
            "Java " + Runtime.version() + ", " + System.getProperty("java.vendor"),
            "control protocol " + ControlClient.PROTOCOL
        };
    }
}
