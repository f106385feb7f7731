package io.xenemu.kvm.abi;

import java.io.Serial;

/// The host's fault: a call into KVM or the kernel failed. Ends the VM it happened to, with a message an operator can act
/// on; it is never turned into an error number for a guest.
///
/// It lives beside [XenError] so that every module can name it, although KVM itself is visible to core alone.
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
    /// @param hint what it was done to, or what to do about it; may be empty
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
