package io.xenemu.core.backend.console;

import io.xenemu.kvm.file.PseudoTerminal;
import java.lang.foreign.MemorySegment;

/// A console on a pseudo terminal, which any program may open, also several times.
final class PtyEnd implements HostEnd {
    private final PseudoTerminal pty;

    /// @throws io.xenemu.kvm.abi.KvmException if the host has none left, or the process no descriptor
    PtyEnd(HostEvents events) {
        pty = PseudoTerminal.open();
        boolean done = false;
        try {
            events.add(pty.stream().fd());
            done = true;
        } finally {
            if (!done) {
                pty.close();
            }
        }
    }

    /// The terminal's path.
    String name() {
        return pty.name();
    }

    @Override
    public boolean look() {
        return false;
    }

    /// The kernel does not tell who has it open.
    @Override
    public boolean hasReader() {
        return true;
    }

    @Override
    public int write(MemorySegment from, int count) {
        return Math.max(0, pty.stream().write(from, count));
    }

    @Override
    public int read(MemorySegment into, int count) {
        return Math.max(0, pty.stream().read(into, count));
    }

    @Override
    public boolean mayWait() {
        return false;
    }

    @Override
    public void close() {
        pty.close();
    }
}
