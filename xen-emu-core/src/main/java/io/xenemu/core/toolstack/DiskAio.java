package io.xenemu.core.toolstack;

/// How the bytes of a raw image or a block device are moved.
public enum DiskAio {
    /// By io_uring where it is faster and the kernel has it: past the page cache, and for slow flushes and discards.
    AUTO,
    /// By a system call that ends with the operation. It holds the engine meanwhile.
    SYNC,
    /// All by io_uring.
    IO_URING;

    /// Parses `aio=`, with the words that QEMU has where it does the same.
    static DiskAio parse(String value) throws Refused {
        return switch (value) {
            case "auto" -> AUTO;
            case "sync" -> SYNC;
            case "io_uring" -> IO_URING;
            default -> throw new Refused("aio=" + value + ": not auto, sync or io_uring");
        };
    }
}
