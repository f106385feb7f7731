package io.xenemu.core.backend.console;

import com.google.common.primitives.ImmutableIntArray;
import java.lang.foreign.MemorySegment;

/// The host's end of a console. Nothing of it waits, but for a file's disk. For one thread at a time.
sealed interface HostEnd extends AutoCloseable permits PtyEnd, SocketEnd, FileEnd {
    /// Takes notice of readers that have come.
    ///
    /// @return whether there is a new one
    boolean look();

    /// Whether somebody is there who may take output. If not, no guest waits for it.
    boolean hasReader();

    /// Takes output from the front of a buffer.
    ///
    /// @param count more than 0
    /// @return bytes taken: fewer than `count` if it takes no more now. A further call then tells [HostEvents] when
    ///     there is room
    int write(MemorySegment from, int count);

    /// Gives input into the front of a buffer.
    ///
    /// @param count more than 0
    /// @return bytes given; 0 if there are none now
    int read(MemorySegment into, int count);

    /// Whether it may wait for the host's disk, and so needs a thread of its own.
    boolean mayWait();

    /// Its descriptors, for another process that opens it by them.
    ImmutableIntArray descriptors();

    /// Another process has it now: [#close] ends nothing that it uses.
    void handedOver();

    @Override
    void close();
}
