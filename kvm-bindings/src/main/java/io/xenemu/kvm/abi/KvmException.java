package io.xenemu.kvm.abi;

import java.io.Serial;

/// A failure of the host: a call into KVM or the kernel failed. Ends the VM that made the call, with a message on
/// which an operator can act; it never becomes an error number for a guest.
///
/// It is in the package of [XenError], so that every module can name it, although only core uses KVM itself.
public final class KvmException extends RuntimeException {
    @Serial private static final long serialVersionUID = 1L;

    private final String call;
    private final int errno;

    /// @param call the ioctl or system call, by its C name
    /// @param errno Linux's positive error number
    public KvmException(String call, int errno) {
        this(call, errno, "");
    }

    /// @param call the ioctl or system call, by its C name
    /// @param errno Linux's positive error number
    /// @param hint the object of the call, or a remedy; may be empty
    public KvmException(String call, int errno, String hint) {
        super(message(call, errno, hint));
        this.call = call;
        this.errno = errno;
    }

    /// The call that failed, such as `KVM_CREATE_VM`.
    public String call() {
        return call;
    }

    /// Linux's positive error number; see [Errno].
    public int errno() {
        return errno;
    }

    private static String message(String call, int errno, String hint) {
        String text = call + ": " + Errno.name(errno) + " (" + errno + ")";
        return hint.isEmpty() ? text : text + ": " + hint;
    }
}
