package io.xenemu.core.paging;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/// A guest whose pages a page server brings. For the server's thread alone.
///
/// A page is provided once, at its address in the service's mapping of all pages, and then is there in all mappings of
/// all processes. Threads that wait for it are woken in each process that shares the memory. A failure of one that
/// shares it ends that sharing alone.
final class FaultingGuest implements AutoCloseable {
    private static final long PAGE = GuestMemory.PAGE_SIZE;

    private final int number;
    private final FaultingProcess service;
    private final PageSource source;
    private final NotShared notShared;
    private final Map<Integer, Sharer> sharers = new HashMap<>();

    /// The pages that are there: this server has provided them, or one before it, or it has found them.
    private final PresentPages present;

    /// The pages for which threads wait, in the order in which they were first asked for, each once.
    private final Queue<Integer> waiting = new ArrayDeque<>();

    /// The pages that were asked for, and are not there yet.
    private final BitSet asked = new BitSet();

    /// Whether it gets pages that nobody waits for.
    private boolean wantsAll;

    private boolean complete;

    /// The process has ended, or has let the guest go.
    static final class GoneException extends IOException {
        private static final long serialVersionUID = 1L;

        GoneException() {
            super("its memory is not registered any more");
        }
    }

    /// A process that shares the memory.
    ///
    /// @param connection hangs up when the process ends
    record Sharer(FaultingProcess process, HostFile connection) implements AutoCloseable {
        @Override
        public void close() {
            process.close();
            connection.close();
        }
    }

    /// Is told of a process that does not share a guest's memory any more, since it has failed.
    @FunctionalInterface
    interface NotShared {
        void tell(int guest, int number, Sharer sharer, String reason) throws IOException;
    }

    /// @param faults of the service, owned from now on
    /// @param source owned from now on
    /// @param present owned from now on
    FaultingGuest(
            PageMessage.Add add,
            UserFaultFd faults,
            PageSource source,
            PresentPages present,
            NotShared notShared) {
        number = add.guest();
        service = new FaultingProcess(add.name(), faults, add.mappings());
        this.source = source;
        this.present = present;
        this.notShared = notShared;
        wantsAll = add.kind() == PageOrigin.Kind.FILE;
    }

    /// Takes the guest over. Another server may have served it before: what that server had read and not answered is
    /// told again.
    void begin() throws IOException {
        service.tellAgain();
    }

    int number() {
        return number;
    }

    String name() {
        return service.name();
    }

    /// The descriptor that tells of waiting threads of the service.
    int fd() {
        return service.fd();
    }

    /// Begins to serve one more process.
    ///
    /// @param sharer owned from now on
    void share(int sharing, Sharer sharer) throws IOException {
        sharers.put(sharing, sharer);
        onSharer(sharing, FaultingProcess::tellAgain);
    }

    /// Ends to serve a process.
    ///
    /// @return the process, to be closed; null if it is not served
    @Nullable Sharer unshare(int sharing) {
        return sharers.remove(sharing);
    }

    /// A process that shares the memory; null if there is none of this number.
    @Nullable Sharer sharer(int sharing) {
        return sharers.get(sharing);
    }

    /// All processes that share the memory.
    Collection<Sharer> sharers() {
        return List.copyOf(sharers.values());
    }

    /// The pages that are at another host; null if there is none.
    @Nullable PeerPages peer() {
        return source instanceof PeerPages peer ? peer : null;
    }

    /// Takes in pages that have come from another host.
    ///
    /// @return whether there may be more
    boolean take(PeerPages peer) throws IOException {
        return peer.look(this::provide);
    }

    /// Takes in a page that the service has got from another host.
    ///
    /// @param content empty for zeros
    void take(PeerPages peer, int page, ByteBuffer content) throws IOException {
        peer.take(page, content, this::provide);
    }

    /// Takes in what is told of waiting threads of the service.
    ///
    /// @return whether there may be more
    boolean look() throws IOException {
        return service.look(page -> ask(service, page));
    }

    /// Takes in what is told of waiting threads of a process that shares the memory.
    ///
    /// @return whether there may be more
    boolean look(int sharing) throws IOException {
        boolean[] more = new boolean[1];
        onSharer(sharing, process -> more[0] = process.look(page -> ask(process, page)));
        return more[0];
    }

    private void ask(FaultingProcess process, int page) throws IOException {
        if (present.has(page)) {
            process.wake(page, page + 1L);
        } else if (!asked.get(page)) {
            asked.set(page);
            waiting.add(page);
        }
    }

    private interface Work {
        void on(FaultingProcess process) throws IOException;
    }

    private void onSharer(int sharing, Work work) throws IOException {
        Sharer sharer = sharers.get(sharing);
        if (sharer == null) {
            return;
        }
        try {
            work.on(sharer.process());
        } catch (IOException e) {
            fail(sharing, IoReason.of(e));
        }
    }

    /// Ends to serve a process for a reason.
    void fail(int sharing, String reason) throws IOException {
        Sharer sharer = sharers.remove(sharing);
        if (sharer != null) {
            notShared.tell(number, sharing, sharer, reason);
        }
    }

    /// Whether a thread waits.
    boolean isWaiting() {
        return !waiting.isEmpty();
    }

    /// Lets the threads go on that have waited longest.
    void serve() throws IOException {
        Integer next = waiting.poll();
        if (next == null || present.has(next)) {
            return;
        }
        int page = next;
        if (source.has(page)) {
            source.bring(page, this::provide);
            return;
        }
        int result = service.faults().zero(service.address(page));
        if (result != -Errno.EEXIST) {
            FaultingProcess.check(result);
        }
        isThere(page, page + 1L, result == 0);
    }

    private void provide(long first, MemorySegment pages) throws IOException {
        long size = pages.byteSize();
        boolean allProvided = true;
        for (long at = 0; at < size; ) {
            long copied = service.faults().copy(service.address(first) + at, pages.asSlice(at));
            if (copied > 0) {
                at += copied;
            } else if (copied == -Errno.EEXIST) {
                allProvided = false;
                at += PAGE;
            } else if (copied != -Errno.EAGAIN) {
                FaultingProcess.check(copied);
            }
        }
        isThere(first, first + size / PAGE, allProvided);
    }

    /// Lets everybody go on who waits for these pages. Who asks from now on is answered at once.
    ///
    /// @param provided all of them, just now: then the kernel has woken those who wait at the service's mapping of all
    ///     pages, at which they were provided
    private void isThere(long first, long end, boolean provided) throws IOException {
        present.set(first, end);
        asked.clear(Math.toIntExact(first), Math.toIntExact(end));
        if (provided) {
            service.wakeOthers(first, end);
        } else {
            service.wake(first, end);
        }
        if (!sharers.isEmpty()) {
            for (int sharing : List.copyOf(sharers.keySet())) {
                onSharer(sharing, process -> process.wake(first, end));
            }
        }
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

    /// Whether there is something to be done for it now.
    boolean isBusy() {
        return isWaiting() || hasMore();
    }

    /// Brings it all pages from now on.
    void bringAll() {
        wantsAll = true;
    }

    @Override
    public void close() throws IOException {
        try {
            source.close();
        } finally {
            service.close();
            sharers().forEach(Sharer::close);
            present.close();
        }
    }
}
