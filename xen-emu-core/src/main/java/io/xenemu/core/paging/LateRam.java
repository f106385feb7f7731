package io.xenemu.core.paging;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.memory.LateMemory;
import io.xenemu.core.memory.LatePages;
import io.xenemu.core.memory.RamView;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MissingPages;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The service's end of a guest's RAM that a page server brings. It keeps the userfaultfd and the file, so that the
/// guest waits while there is no server, and another one can take over.
///
/// Any thread may use it. Its monitor is held while the mappings are registered and released.
public final class LateRam implements LatePages {
    private static final Logger log = LoggerFactory.getLogger(LateRam.class);

    private final PageService service;
    private final String name;
    private final int number;
    private final LateMemory memory;
    private final UserFaultFd faults;
    private final HostFile file;
    private final long start;
    private final long pages;
    private final List<RamView> views;
    private final PresentPages present;
    private final MissingPages missing;
    private final long begun = System.nanoTime();

    /// Complete when all pages are there, or are lost.
    private final CompletableFuture<Void> there = new CompletableFuture<>();

    /// Why they are lost.
    private final CompletableFuture<String> lost = new CompletableFuture<>();

    @GuardedBy("this")
    private boolean registered;

    @GuardedBy("this")
    private boolean ended;

    /// Whether it shares the pages that it has not touched.
    private volatile boolean shares;

    /// @param number by which messages name it
    /// @param shares whether it gets only the pages that it touches, until [#awaitAll]
    /// @param faults owned from now on
    /// @param file with the pages, owned from now on
    /// @param start of the pages in it
    LateRam(
            PageService service,
            String name,
            int number,
            LateMemory memory,
            boolean shares,
            UserFaultFd faults,
            HostFile file,
            long start) {
        this.service = service;
        this.name = name;
        this.number = number;
        this.memory = memory;
        this.faults = faults;
        this.file = file;
        this.start = start;
        this.shares = shares;
        views = memory.ramViews();
        pages = memory.ramBytes() / GuestMemory.PAGE_SIZE;
        present = PresentPages.create("xen-present-" + name, pages);
        missing = new MissingPages(views.stream().map(LateRam::guarded).toList(), present);
    }

    private static MissingPages.Mapped guarded(RamView view) {
        long start = view.mapping().address();
        return new MissingPages.Mapped(start, start + view.mapping().byteSize(), view.first());
    }

    private static MappedRam mapped(RamView view) {
        return new MappedRam(
                view.mapping().address(),
                view.mapping().byteSize() / GuestMemory.PAGE_SIZE,
                view.first());
    }

    /// Registers the mappings. From now on a missing page makes its user wait.
    ///
    /// @throws KvmException if the host refuses
    synchronized void register() {
        registered = true;
        for (RamView view : views) {
            faults.register(view.mapping());
        }
        memory.comesLater(this);
    }

    /// Closes what it owns, if it cannot be registered.
    void discard() {
        close();
        present.close();
    }

    /// The number by which messages name it.
    int number() {
        return number;
    }

    /// What a server has to know.
    PageMessage.Add message() {
        return new PageMessage.Add(
                number, name, shares, start, pages, views.stream().map(LateRam::mapped).toList());
    }

    /// The descriptors that go with the message.
    int[] descriptors() {
        return new int[] {faults.fd(), file.fd(), present.fd()};
    }

    /// All pages are there that the file has. Missing ones are zero from now on, without a server.
    synchronized void hasCome() {
        if (ended) {
            return;
        }
        release();
        memory.hasCome();
        close();
        boolean _ = there.complete(null);
        log.info(
                "{}: all of its memory is there after {} ms",
                name,
                TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun));
    }

    /// The pages that are missing will not come. Their users fail, and then do not wait any more.
    ///
    /// @param reason for an operator
    void lose(String reason) {
        String line = "the memory of " + name + " is lost: " + reason;
        missing.lose(line);
        boolean _ = lost.complete(reason);
        boolean _ = there.completeExceptionally(new KvmException("userfaultfd", Errno.EIO, line));
        release();
    }

    /// Lets another process share the memory while its pages come: the server serves its threads too.
    ///
    /// The process has registered its mappings with its userfaultfd. Nothing of this is needed when all pages are
    /// there: then its mappings are not registered any more.
    ///
    /// @param process its name, for messages
    /// @param faults of it, made not to block, owned from now on
    /// @param connection whose other end the process holds: when that is closed, it has gone; owned from now on
    /// @param mappings of the RAM in it
    /// @throws IOException if too many share it, or its pages are lost
    public SharingProcess share(
            String process, UserFaultFd faults, HostFile connection, List<MappedRam> mappings)
            throws IOException {
        SharingProcess sharing =
                new SharingProcess(service, number, name, process, faults, connection, mappings);
        boolean done = false;
        try {
            service.share(this, sharing);
            done = true;
            return sharing;
        } finally {
            if (!done) {
                sharing.forget();
            }
        }
    }

    /// Whether the pages that are missing will not come.
    boolean isLost() {
        return lost.isDone();
    }

    /// Calls `then` with the reason when the pages are lost, on another thread.
    public void whenLost(Consumer<String> then) {
        CompletableFuture<Void> _ = lost.thenAccept(then);
    }

    private synchronized void release() {
        if (registered) {
            registered = false;
            for (RamView view : views) {
                faults.unregister(view.mapping());
            }
        }
    }

    @Override
    public MissingPages missing() {
        return missing;
    }

    @Override
    public void awaitAll() {
        if (shares) {
            shares = false;
            service.bringAll(this);
        }
        try {
            there.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof KvmException failure) {
                throw failure;
            }
            throw e;
        }
    }

    @Override
    public void end() {
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
        }
        service.letGo(this);
        synchronized (this) {
            release();
            close();
            // Not before: until now a thread may look.
            present.close();
        }
        boolean _ = there.complete(null);
    }

    private void close() {
        faults.close();
        file.close();
    }
}
