package io.xenemu.gnttab;

/// Bits of a grant entry's flags (`GTF_*` of `xen/include/public/grant_table.h`).
final class Gtf {
    static final int TYPE_MASK = 3;
    static final int PERMIT_ACCESS = 1;
    static final int TRANSITIVE = 3;
    static final int READONLY = 1 << 2;

    /// Set while mapped or being copied from. In version 2 this bit and the next are in the entry's status word.
    static final int READING = 1 << 3;

    static final int WRITING = 1 << 4;
    static final int SUB_PAGE = 1 << 8;

    private Gtf() {}
}
