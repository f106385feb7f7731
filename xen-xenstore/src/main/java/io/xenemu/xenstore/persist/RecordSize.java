package io.xenemu.xenstore.persist;

/// The most bytes that a change takes in a store's file, to reserve room before it is made. Besides its bytes, each
/// change has a kind, and each byte string a length.
public final class RecordSize {
    private static final int KIND = Byte.BYTES;
    private static final int LENGTH = Integer.BYTES;
    private static final int NUMBERS = 2 * Long.BYTES;

    /// `b65535` and NUL.
    private static final int PERMISSION = 7;

    /// Permissions of both special watches, each as long as a message allows.
    public static final long SPECIAL = KIND + 2L * (LENGTH + 4096);

    private RecordSize() {}

    /// A node that is created, or gets another value or other permissions.
    ///
    /// @param path bytes of its path
    /// @param value bytes of its value
    /// @param permissions the number of entries of its list
    public static long node(int path, int value, int permissions) {
        return KIND + 3L * LENGTH + path + value + (long) PERMISSION * permissions + NUMBERS;
    }

    /// A node that is removed.
    ///
    /// @param path bytes of its path
    public static long removed(int path) {
        return (long) KIND + LENGTH + path;
    }
}
