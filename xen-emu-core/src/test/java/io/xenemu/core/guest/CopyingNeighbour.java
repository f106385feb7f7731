package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.gnttab.GrantCopy;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// A domain that copies numbers into a page that another one grants to it, on a thread of its own, whatever becomes of
/// the other. Each slot of the page gets greater and greater numbers. A copy that is refused is tried again.
final class CopyingNeighbour implements AutoCloseable {
    private static final int SLOTS = 64;
    private static final int SLOT_BYTES = 64;
    private static final long GRANTED_GFN = 0x510;
    private static final long SOURCE_GFN = 0x520;
    private static final int GREF = 11;
    private static final int PERMIT_ACCESS = 1;

    private final Domain domain;
    private final DomId target;
    private final Random random = new Random(5);
    private final Map<GrantStatus, AtomicLong> answers = new EnumMap<>(GrantStatus.class);

    /// The last number that each slot has taken.
    private final long[] taken = new long[SLOTS];

    private volatile boolean stopped;
    private @Nullable FutureTask<@Nullable Void> work;

    /// Has the target grant a page.
    CopyingNeighbour(Domain domain, Domain target) {
        this.domain = domain;
        this.target = target.id();
        for (GrantStatus status : GrantStatus.values()) {
            answers.put(status, new AtomicLong());
        }
        MemorySegment entries = target.special().page(SpecialPages.grantFrame(0));
        entries.set(ValueLayout.JAVA_INT, GREF * 8L + 4, Math.toIntExact(GRANTED_GFN));
        entries.set(ValueLayout.JAVA_SHORT, GREF * 8L + 2, (short) domain.id().value());
        entries.set(ValueLayout.JAVA_SHORT, GREF * 8L, (short) PERMIT_ACCESS);
    }

    /// Lets it copy.
    void start() {
        stopped = false;
        FutureTask<@Nullable Void> begun =
                new FutureTask<>(() -> {
                    copyUntilStopped();
                    return null;
                });
        work = begun;
        Thread.ofPlatform().name("neighbour").start(begun);
    }

    private void copyUntilStopped() throws XenError {
        GrantCopy copy = domain.grantTable().newCopy();
        long number = 0;
        for (long last : taken) {
            number = Math.max(number, last);
        }
        while (!stopped) {
            int slot = random.nextInt(SLOTS);
            number++;
            for (int at = 0; at < SLOT_BYTES; at += Long.BYTES) {
                domain.memory().guest().write64((SOURCE_GFN << 12) + at, number);
            }
            copy.from(DomId.SELF, false, SOURCE_GFN, 0);
            copy.to(target, true, GREF, slot * SLOT_BYTES);
            GrantStatus status = copy.run(SLOT_BYTES);
            AtomicLong count = answers.get(status);
            if (count != null) {
                count.incrementAndGet();
            }
            if (status == GrantStatus.OKAY) {
                taken[slot] = number;
            }
        }
    }

    /// How many copies were answered so.
    long answers(GrantStatus status) {
        AtomicLong count = answers.get(status);
        return count == null ? 0 : count.get();
    }

    /// Waits until some copies more were answered so.
    void await(GrantStatus status) {
        long before = answers(status);
        Eventually.holds("more " + status, () -> answers(status) > before + SLOTS);
    }

    /// Ends its work, and compares what has arrived with what was taken.
    ///
    /// @param target the other domain, as it is now
    void stopAndCompare(Domain target) throws ExecutionException, InterruptedException {
        stop();
        MemorySegment ram = target.memory().ram();
        for (int slot = 0; slot < SLOTS; slot++) {
            for (int at = 0; at < SLOT_BYTES; at += Long.BYTES) {
                long place = (GRANTED_GFN << 12) + (long) slot * SLOT_BYTES + at;
                assertEquals(taken[slot], ram.get(ValueLayout.JAVA_LONG, place), "slot " + slot);
            }
        }
        for (GrantStatus status : GrantStatus.values()) {
            if (status != GrantStatus.OKAY
                    && status != GrantStatus.EAGAIN
                    && status != GrantStatus.BAD_DOMAIN) {
                assertEquals(0, answers(status), status::name);
            }
        }
    }

    private void stop() throws ExecutionException, InterruptedException {
        stopped = true;
        FutureTask<@Nullable Void> begun = work;
        if (begun != null) {
            begun.get();
            work = null;
        }
    }

    /// Ends its work, if a test has failed before.
    @Override
    public void close() {
        stopped = true;
    }
}
