package io.xenemu.core.paging;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.UserFaultFd;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The service's end of another process that shares a guest's RAM while its pages come. It keeps the userfaultfd, so
/// that another server can take the process over.
///
/// Any thread may use it.
public final class SharingProcess implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SharingProcess.class);

    private final PageService service;
    private final int guest;
    private final String guestName;
    private final String name;
    private final UserFaultFd faults;
    private final HostFile connection;
    private final List<MappedRam> mappings;
    private final CompletableFuture<String> failed = new CompletableFuture<>();

    SharingProcess(
            PageService service,
            int guest,
            String guestName,
            String name,
            UserFaultFd faults,
            HostFile connection,
            List<MappedRam> mappings) {
        if (mappings.isEmpty() || mappings.size() > PageMessage.MAX_MAPPINGS) {
            throw new IllegalArgumentException(mappings.size() + " mappings of RAM");
        }
        this.service = service;
        this.guest = guest;
        this.guestName = guestName;
        this.name = name;
        this.faults = faults;
        this.connection = connection;
        this.mappings = List.copyOf(mappings);
    }

    /// The number of the guest.
    int guest() {
        return guest;
    }

    /// What a server has to know.
    ///
    /// @param number of this process among those of the guest
    PageMessage.Share message(int number) {
        return new PageMessage.Share(guest, number, name, mappings);
    }

    /// The descriptors that go with the message.
    int[] descriptors() {
        return new int[] {faults.fd(), connection.fd()};
    }

    /// Calls `then` with the reason when the process is not served any more, since it has failed, or the pages are
    /// lost. Its threads then wait where pages are missing, until [#close]: nobody reads zeros.
    public void whenFailed(Consumer<String> then) {
        CompletableFuture<Void> _ = failed.thenAccept(then);
    }

    /// It is not served any more.
    void fail(String reason) {
        log.warn("{} does not get the pages of {} any more: {}", name, guestName, reason);
        boolean _ = failed.complete(reason);
    }

    /// Its threads wait for ever, until [#close].
    void guestHasEnded() {
        boolean _ = failed.complete("the guest has ended");
    }

    /// All pages are there that the guest has. Missing ones are zero from now on.
    void hasCome() {
        for (MappedRam mapped : mappings) {
            int result =
                    faults.unregister(mapped.address(), mapped.pages() * GuestMemory.PAGE_SIZE);
            if (result < 0 && result != -Errno.ESRCH) {
                fail("it cannot be released: " + Errno.name(-result));
            }
        }
        forget();
    }

    /// Closes the descriptors.
    void forget() {
        faults.close();
        connection.close();
    }

    /// Ends it, while pages come or afterwards. Threads of the process that wait for a page go on to wait, as long as
    /// the process has its userfaultfd, and can be served again by another [LateRam#share].
    @Override
    public void close() {
        service.unshare(this);
        forget();
    }
}
