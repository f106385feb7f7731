package io.xenemu.core.lab;

/// A lab machine hung: its emulated CPU made no progress. The first line of the message gives the reason, the lines
/// after it the observations: QEMU's threads with their CPU time, the CPU's registers, and the console's last output.
/// Another machine may well work.
public final class LabHangException extends LabException {
    private static final long serialVersionUID = 1L;

    LabHangException(String message) {
        super(message);
    }
}
