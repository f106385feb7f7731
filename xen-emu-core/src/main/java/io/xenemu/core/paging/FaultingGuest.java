package io.xenemu.core.paging;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;

/// A guest whose pages a page server brings. For the server's thread alone.
///
/// A page is provided once, at its address in the mapping of all pages, and then is there in all mappings. Threads that
/// wait at another mapping are woken one by one: each of them has sent a message with its address.
final class FaultingGuest implements AutoCloseable {
    /// Messages that are read at a time.
    private static final int BATCH = 64;

    private static final long PAGE = GuestMemory.PAGE_SIZE;

    private final int number;
    private final String name;
    private final UserFaultFd faults;
    private final List<PageMessage.Mapped> mappings;
    private final PageSource source;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment messages = UserFaultFd.messages(arena, BATCH);

    /// The pages that are there: this server has provided them, or one before it, or it has found them.
    private final PresentPages present;

    /// The addresses at which threads wait, in the order in which they came.
    private final Queue<Long> waiting = new ArrayDeque<>();

    /// Whether it gets pages that nobody waits for.
    private boolean wantsAll;

    private boolean complete;

    /// The service's process has ended, or has let the guest go.
    static final class GoneException extends IOException {
        private static final long serialVersionUID = 1L;

        GoneException() {
            super("its memory is not registered any more");
        }
    }

    /// @param faults owned from now on
    /// @param source owned from now on
    /// @param present owned from now on
    FaultingGuest(
            PageMessage.Add add, UserFaultFd faults, PageSource source, PresentPages present) {
        number = add.guest();
        name = add.name();
        this.faults = faults;
        this.source = source;
        this.present = present;
        mappings = add.mappings();
        wantsAll = !add.shares();
    }

    /// Takes the guest over. Another server may have served it before: what that server had read and not answered is
    /// told again.
    void begin() throws IOException {
        for (PageMessage.Mapped mapped : mappings) {
            check(faults.wake(mapped.address(), mapped.pages() * PAGE));
        }
    }

    int number() {
        return number;
    }

    String name() {
        return name;
    }

    /// The descriptor that tells of waiting threads.
    int fd() {
        return faults.fd();
    }

    /// Takes in what is told of waiting threads.
    void look() throws IOException {
        for (int count = faults.read(messages); count != 0; count = faults.read(messages)) {
            check(count);
            for (int i = 0; i < count; i++) {
                long address = UserFaultFd.address(messages, i);
                if (address >= 0) {
                    waiting.add(address & -PAGE);
                }
            }
        }
    }

    /// Whether a thread waits.
    boolean isWaiting() {
        return !waiting.isEmpty();
    }

    /// Lets the thread go on that has waited longest.
    void serve() throws IOException {
        Long address = waiting.poll();
        if (address == null) {
            return;
        }
        int page = page(address);
        if (!present.has(page)) {
            if (source.has(page)) {
                source.bring(page, this::provide);
            } else {
                int result = faults.zero(address(page));
                if (result != -Errno.EEXIST) {
                    check(result);
                }
            }
            present.set(page, page + 1L);
        }
        check(faults.wake(address, PAGE));
    }

    private int page(long address) throws IOException {
        for (PageMessage.Mapped mapped : mappings) {
            long page = (address - mapped.address()) / PAGE;
            if (address >= mapped.address() && page < mapped.pages()) {
                return Math.toIntExact(mapped.first() + page);
            }
        }
        throw new IOException("a thread waits at an address that is not its memory");
    }

    private long address(long page) {
        return mappings.getFirst().address() + page * PAGE;
    }

    private void provide(long first, MemorySegment pages) throws IOException {
        long size = pages.byteSize();
        for (long at = 0; at < size; ) {
            long copied = faults.copy(address(first) + at, pages.asSlice(at));
            if (copied > 0) {
                at += copied;
            } else if (copied == -Errno.EEXIST) {
                at += PAGE;
            } else if (copied != -Errno.EAGAIN) {
                check(copied);
            }
        }
        present.set(first, first + size / PAGE);
    }

    /// Brings some more pages if no thread waits.
    ///
    /// @return whether these were the last ones
    boolean bringMore() throws IOException {
        complete = complete || !source.bringNext(this::provide);
        return complete;
    }

    /// Whether there are pages to be brought that nobody waits for.
    boolean hasMore() {
        return wantsAll && !complete;
    }

    /// Brings it all pages from now on.
    void bringAll() {
        wantsAll = true;
    }

    private static void check(long result) throws IOException {
        if (result == -Errno.ENOENT || result == -Errno.ESRCH) {
            throw new GoneException();
        }
        if (result < 0) {
            throw new IOException("userfaultfd: " + Errno.name(Math.toIntExact(-result)));
        }
    }

    @Override
    public void close() throws IOException {
        try {
            source.close();
        } finally {
            faults.close();
            present.close();
            arena.close();
        }
    }
}
