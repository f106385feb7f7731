package io.xenemu.kvm.libc;

import io.xenemu.kvm.abi.KvmException;
import java.util.concurrent.atomic.AtomicInteger;

/// A file descriptor with one owner. It is closed once; then [#number] throws instead of naming some other file. The
/// closer has to end all users first: a number that was handed out is not taken back.
public final class OwnedFd implements AutoCloseable {
    private static final int CLOSED = -1;

    private final String name;
    private final AtomicInteger number;

    private OwnedFd(String name, int number) {
        this.name = name;
        this.number = new AtomicInteger(number);
    }

    /// Takes over the result of a call that makes a descriptor.
    ///
    /// @param call the call's C name
    /// @param result a descriptor or a negated errno
    /// @param hint for the message of a failure; may be empty
    /// @throws KvmException if `result` is a negated errno
    public static OwnedFd of(String call, int result, String hint) {
        if (result < 0) {
            throw new KvmException(call, -result, hint);
        }
        return new OwnedFd(call, result);
    }

    /// The descriptor's number.
    ///
    /// @throws IllegalStateException after [#close]
    public int number() {
        int n = number.get();
        if (n == CLOSED) {
            throw new IllegalStateException("already closed: fd from " + name);
        }
        return n;
    }

    /// Closes the descriptor; a second call does nothing. Errors are not reported: on Linux the number is free either
    /// way.
    @Override
    public void close() {
        int n = number.getAndSet(CLOSED);
        if (n != CLOSED) {
            int _ = Libc.close(n);
        }
    }
}
