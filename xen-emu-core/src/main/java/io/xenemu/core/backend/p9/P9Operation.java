package io.xenemu.core.backend.p9;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// The requests of 9P2000.L (`include/net/9p/9p.h` of Linux), with their numbers. An answer's number is one more.
enum P9Operation {
    STATFS(8, false),
    LOPEN(12, false),
    LCREATE(14, true),
    SYMLINK(16, true),
    MKNOD(18, true),
    RENAME(20, true),
    READLINK(22, false),
    GETATTR(24, false),
    SETATTR(26, true),
    XATTRWALK(30, false),
    XATTRCREATE(32, true),
    READDIR(40, false),
    FSYNC(50, false),
    LOCK(52, false),
    GETLOCK(54, false),
    LINK(70, true),
    MKDIR(72, true),
    RENAMEAT(74, true),
    UNLINKAT(76, true),
    VERSION(100, false),
    AUTH(102, false),
    ATTACH(104, false),
    FLUSH(108, false),
    WALK(110, false),
    READ(116, false),
    WRITE(118, true),
    CLUNK(120, false),
    REMOVE(122, true);

    /// The number of an answer that is an error.
    static final int RLERROR = 7;

    /// All numbers are below.
    static final int NUMBERS = 128;

    private static final @Nullable P9Operation[] BY_NUMBER = byNumber();

    private final int number;
    private final boolean writes;

    P9Operation(int number, boolean writes) {
        this.number = number;
        this.writes = writes;
    }

    private static @Nullable P9Operation[] byNumber() {
        @Nullable P9Operation[] all = new P9Operation[NUMBERS];
        for (P9Operation operation : values()) {
            all[operation.number] = operation;
        }
        return all;
    }

    /// The request of a number, or null.
    static @Nullable P9Operation of(int number) {
        return number < NUMBERS ? BY_NUMBER[number] : null;
    }

    /// The request's number.
    int number() {
        return number;
    }

    /// The number of the answer.
    int answer() {
        return number + 1;
    }

    /// Whether the request always changes the share. An open may do so too: see [P9Server].
    boolean writes() {
        return writes;
    }

    /// The name in metrics.
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
