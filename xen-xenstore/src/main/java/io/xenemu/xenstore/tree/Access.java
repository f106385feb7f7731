package io.xenemu.xenstore.tree;

/// The rights of a permission entry, with its letter on the wire.
public enum Access {
    NONE('n', false, false),
    READ('r', true, false),
    WRITE('w', false, true),
    BOTH('b', true, true);

    private final char letter;
    private final boolean read;
    private final boolean write;

    Access(char letter, boolean read, boolean write) {
        this.letter = letter;
        this.read = read;
        this.write = write;
    }

    /// `n`, `r`, `w` or `b`.
    public char letter() {
        return letter;
    }

    /// Whether reading is allowed.
    public boolean canRead() {
        return read;
    }

    /// Whether writing is allowed.
    public boolean canWrite() {
        return write;
    }
}
