package io.xenemu.core.backend.console;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.file.PseudoTerminal;
import java.lang.foreign.MemorySegment;

/// A console on a pseudo terminal, which any program may open, also several times.
final class PtyEnd implements HostEnd {
    private final PseudoTerminal pty;

    /// @throws io.xenemu.kvm.abi.KvmException if the host has none left, or the process no descriptor
    PtyEnd(HostEvents events) {
        this(PseudoTerminal.open(), events);
    }

    /// One that another process of this service has opened.
    ///
    /// @param descriptors as [#descriptors] gives them; taken over, also if this fails
    /// @throws io.xenemu.kvm.abi.KvmException if they are none
    PtyEnd(ImmutableIntArray descriptors, HostEvents events) {
        this(PseudoTerminal.received(descriptors.get(0), descriptors.get(1)), events);
    }

    private PtyEnd(PseudoTerminal pty, HostEvents events) {
        this.pty = pty;
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
    public ImmutableIntArray descriptors() {
        return pty.descriptors();
    }

    @Override
    public void handedOver() {
        // The other process has duplicates of both ends: the terminal stays.
    }

    @Override
    public void close() {
        pty.close();
    }
}
