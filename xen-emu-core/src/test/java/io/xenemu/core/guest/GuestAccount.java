package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.kvm.abi.XenError;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// What a guest has written to its memory, in a file that outlives the process that runs it: two services of their own
/// run the guest's program, each one on a side, and a test looks at it.
///
/// Each side has its own account. A guest that comes begins with that of the other side, where it stands still.
final class GuestAccount implements AutoCloseable {
    private static final int PAGE = 4096;

    /// Pages that the guest writes to, from the first of them on.
    private static final int FIRST = 600;

    private static final int PAGES = 400;

    /// The page with a word that a guest writes when it boots.
    private static final int BOOTED = FIRST + PAGES;

    private static final int WRITES = 20;
    private static final VarHandle WORDS = ValueLayout.JAVA_LONG.varHandle();

    /// What is in the file. Each has room for an account.
    private enum Word {
        RUNNER(0),
        MOVES(1),
        WRONG_PAGES(2),
        WITHOUT_DISK(3),
        STEPS_0(4),
        STEPS_1(5),
        PAGES_0(6),
        PAGES_1(7),
        END(8);

        private final long at;

        Word(int place) {
            at = (long) place * PAGES * Long.BYTES;
        }
    }

    private static final List<Word> STEPS = List.of(Word.STEPS_0, Word.STEPS_1);
    private static final List<Word> ACCOUNTS = List.of(Word.PAGES_0, Word.PAGES_1);

    private final Arena arena = Arena.ofShared();
    private final MemorySegment file;
    private final Random random = new Random();

    @GuardedBy("this")
    private @Nullable Domain last;

    GuestAccount(Path path) throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        path,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            file = channel.map(FileChannel.MapMode.READ_WRITE, 0, Word.END.at, arena);
        }
    }

    private long get(Word word) {
        return get(word, 0);
    }

    private long get(Word word, int index) {
        return (long) WORDS.getVolatile(file, word.at + (long) index * Long.BYTES);
    }

    private void set(Word word, int index, long value) {
        WORDS.setVolatile(file, word.at + (long) index * Long.BYTES, value);
    }

    private void count(Word word) {
        set(word, 0, get(word) + 1);
    }

    /// A step of the guest's program.
    ///
    /// @param side where it runs: 0 or 1
    /// @param hasDisk whether its disk is open there
    synchronized void step(int side, FakeHypervisor where, Domain running, boolean hasDisk) {
        if (get(Word.RUNNER) != side + 1) {
            set(Word.RUNNER, 0, side + 1L);
            count(Word.MOVES);
        }
        if (!hasDisk) {
            count(Word.WITHOUT_DISK);
        }
        MemorySegment ram = running.memory().ram();
        if (!running.equals(last)) {
            begin(side, where, running, ram);
            last = running;
        }
        for (int page = 0; page < PAGES; page++) {
            long at = (long) (FIRST + page) * PAGE;
            if (ram.get(ValueLayout.JAVA_LONG, at) != get(ACCOUNTS.get(side), page)) {
                count(Word.WRONG_PAGES);
            }
        }
        for (int i = 0; i < WRITES; i++) {
            int page = random.nextInt(PAGES);
            long value = get(ACCOUNTS.get(side), page) + 1;
            write(where, running, FIRST + page, value);
            set(ACCOUNTS.get(side), page, value);
        }
        count(STEPS.get(side));
    }

    private void begin(int side, FakeHypervisor where, Domain running, MemorySegment ram) {
        boolean boots = ram.get(ValueLayout.JAVA_LONG, (long) BOOTED * PAGE) == 0;
        for (int page = 0; page < PAGES; page++) {
            set(ACCOUNTS.get(side), page, boots ? 0 : get(ACCOUNTS.get(1 - side), page));
        }
        if (boots) {
            write(where, running, BOOTED, 1);
        }
    }

    /// Writes a page's first word. Half of the pages are written by the guest, the others by the service.
    static void write(FakeHypervisor where, Domain running, int page, long value) {
        long gpa = (long) page * PAGE;
        if (page % 2 == 0) {
            byte[] bytes = new byte[Long.BYTES];
            MemorySegment.ofArray(bytes).set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
            where.domains().vm(running).guestWrites(gpa, bytes);
        } else {
            try {
                running.memory().guest().write64(gpa, value);
            } catch (XenError e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /// The steps that it has run on a side.
    long steps(int side) {
        return get(STEPS.get(side));
    }

    /// How often it has run on another side than before.
    long moves() {
        return get(Word.MOVES);
    }

    /// How often a page had other contents than it had written.
    long wrongPages() {
        return get(Word.WRONG_PAGES);
    }

    /// The steps that it has run where its disk was not open.
    long withoutDisk() {
        return get(Word.WITHOUT_DISK);
    }

    @Override
    public void close() {
        arena.close();
    }
}
