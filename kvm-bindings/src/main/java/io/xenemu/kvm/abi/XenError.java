package io.xenemu.kvm.abi;

import java.util.List;

/// A guest's own fault: the hypercall ends with this error number and has no other effect. Checked, so that no path
/// can forget it; stackless and one instance per number, so that a guest that provokes it costs nothing.
///
/// Numbers are Xen's (`xen/include/public/errno.h`), which for these equal Linux's.
@SuppressWarnings({"serial", "StaticAssignmentOfThrowable"})
public final class XenError extends Exception {
    public static final XenError EPERM = new XenError("EPERM", 1);
    public static final XenError ENOENT = new XenError("ENOENT", 2);
    public static final XenError ESRCH = new XenError("ESRCH", 3);
    public static final XenError EIO = new XenError("EIO", 5);
    public static final XenError ENXIO = new XenError("ENXIO", 6);
    public static final XenError E2BIG = new XenError("E2BIG", 7);
    public static final XenError EBADF = new XenError("EBADF", 9);
    public static final XenError EAGAIN = new XenError("EAGAIN", 11);
    public static final XenError ENOMEM = new XenError("ENOMEM", 12);
    public static final XenError EACCES = new XenError("EACCES", 13);
    public static final XenError EFAULT = new XenError("EFAULT", 14);
    public static final XenError EBUSY = new XenError("EBUSY", 16);
    public static final XenError EEXIST = new XenError("EEXIST", 17);
    public static final XenError EXDEV = new XenError("EXDEV", 18);
    public static final XenError ENODEV = new XenError("ENODEV", 19);
    public static final XenError EISDIR = new XenError("EISDIR", 21);
    public static final XenError EINVAL = new XenError("EINVAL", 22);
    public static final XenError ENOSPC = new XenError("ENOSPC", 28);
    public static final XenError EROFS = new XenError("EROFS", 30);
    public static final XenError EDOM = new XenError("EDOM", 33);
    public static final XenError ERANGE = new XenError("ERANGE", 34);
    public static final XenError ENOSYS = new XenError("ENOSYS", 38);
    public static final XenError ENOTEMPTY = new XenError("ENOTEMPTY", 39);
    public static final XenError ENODATA = new XenError("ENODATA", 61);
    public static final XenError ETIME = new XenError("ETIME", 62);
    public static final XenError EOVERFLOW = new XenError("EOVERFLOW", 75);
    public static final XenError EILSEQ = new XenError("EILSEQ", 84);
    public static final XenError EOPNOTSUPP = new XenError("EOPNOTSUPP", 95);
    public static final XenError ENOBUFS = new XenError("ENOBUFS", 105);

    /// All of them, by number.
    public static final List<XenError> ALL =
            List.of(
                    EPERM,
                    ENOENT,
                    ESRCH,
                    EIO,
                    ENXIO,
                    E2BIG,
                    EBADF,
                    EAGAIN,
                    ENOMEM,
                    EACCES,
                    EFAULT,
                    EBUSY,
                    EEXIST,
                    EXDEV,
                    ENODEV,
                    EISDIR,
                    EINVAL,
                    ENOSPC,
                    EROFS,
                    EDOM,
                    ERANGE,
                    ENOSYS,
                    ENOTEMPTY,
                    ENODATA,
                    ETIME,
                    EOVERFLOW,
                    EILSEQ,
                    EOPNOTSUPP,
                    ENOBUFS);

    private final String symbol;
    private final int number;

    private XenError(String symbol, int number) {
        super(symbol, null, false, false);
        this.symbol = symbol;
        this.number = number;
    }

    /// The name in Xen's errno.h, such as `EINVAL`.
    public String symbol() {
        return symbol;
    }

    /// The positive number; a hypercall returns its negation.
    public int number() {
        return number;
    }
}
