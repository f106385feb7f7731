package io.xenemu.core.paging;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A process whose threads wait at missing pages of a guest's RAM: the service, or another one that shares the memory.
/// It is known by its userfaultfd, and by where the RAM is in it. For the server's thread alone.
final class FaultingProcess implements AutoCloseable {
    /// Messages that are read at a time: then it is another process's turn.
    private static final int BATCH = 64;

    private static final long PAGE = GuestMemory.PAGE_SIZE;

    private static final Logger log = LoggerFactory.getLogger(FaultingProcess.class);

    private final String name;
    private final UserFaultFd faults;
    private final List<MappedRam> mappings;
    private final List<MappedRam> others;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment messages = UserFaultFd.messages(arena, BATCH);
    private boolean hasOtherEvents;

    /// Takes what a process waits for.
    @FunctionalInterface
    interface Requests {
        /// A thread waits for a page.
        void add(int page) throws IOException;
    }

    /// @param name for messages
    /// @param faults owned from now on
    /// @param mappings of the RAM in it
    FaultingProcess(String name, UserFaultFd faults, List<MappedRam> mappings) {
        this.name = name;
        this.faults = faults;
        this.mappings = mappings;
        others = mappings.subList(1, mappings.size());
    }

    String name() {
        return name;
    }

    /// The descriptor that tells of waiting threads.
    int fd() {
        return faults.fd();
    }

    UserFaultFd faults() {
        return faults;
    }

    /// The address in the process's first mapping. That of the service has all pages.
    long address(long page) {
        return mappings.getFirst().address() + page * PAGE;
    }

    /// Lets all of its threads tell again for what they wait: a server before this one may have read it.
    void tellAgain() throws IOException {
        for (MappedRam mapped : mappings) {
            check(faults.wake(mapped.address(), mapped.pages() * PAGE));
        }
    }

    /// Takes in what is told of waiting threads.
    ///
    /// @return whether there may be more
    /// @throws IOException if the process is of no use any more
    boolean look(Requests requests) throws IOException {
        int count = faults.read(messages);
        check(count);
        for (int i = 0; i < count; i++) {
            long address = UserFaultFd.address(messages, i);
            if (address >= 0) {
                requests.add(page(address));
            } else if (!hasOtherEvents) {
                hasOtherEvents = true;
                log.warn("{} tells of other events than missing pages: they are left alone", name);
            }
        }
        return count == BATCH;
    }

    /// The page in the guest's RAM of an address in this process.
    ///
    /// @throws IOException if it is not of the RAM
    private int page(long address) throws IOException {
        for (MappedRam mapped : mappings) {
            long page = (address - mapped.address()) / PAGE;
            if (address >= mapped.address() && page < mapped.pages()) {
                return Math.toIntExact(mapped.first() + page);
            }
        }
        throw new IOException("a thread waits at an address that is not its memory");
    }

    /// Lets all threads go on that wait for these pages, wherever they are mapped in this process.
    ///
    /// @param from the first page that is there
    /// @param to the page after the last one
    void wake(long from, long to) throws IOException {
        wake(mappings, from, to);
    }

    /// Does the same at all mappings but the first one.
    void wakeOthers(long from, long to) throws IOException {
        wake(others, from, to);
    }

    private void wake(List<MappedRam> at, long from, long to) throws IOException {
        for (MappedRam mapped : at) {
            long first = Math.max(from, mapped.first());
            long end = Math.min(to, mapped.first() + mapped.pages());
            if (first < end) {
                long address = mapped.address() + (first - mapped.first()) * PAGE;
                check(faults.wake(address, (end - first) * PAGE));
            }
        }
    }

    /// @throws FaultingGuest.GoneException if the process has ended, or does not wait for pages any more
    /// @throws IOException if `result` is another negated errno
    static void check(long result) throws IOException {
        if (result == -Errno.ENOENT || result == -Errno.ESRCH) {
            throw new FaultingGuest.GoneException();
        }
        if (result < 0) {
            throw new IOException("userfaultfd: " + Errno.name(Math.toIntExact(-result)));
        }
    }

    @Override
    public void close() {
        faults.close();
        arena.close();
    }
}
