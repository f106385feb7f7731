package io.xenemu.core.paging;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.memory.LateMemory;
import io.xenemu.core.memory.LatePages;
import io.xenemu.core.memory.RamView;
import io.xenemu.core.migration.PageFrame;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MissingPages;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
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
    private final PageOrigin origin;
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

    /// Whether there was a connection to another host.
    private volatile boolean hasJoined;

    /// Complete when the guest runs.
    private final CompletableFuture<Void> runs = new CompletableFuture<>();

    /// What happens when a page is needed before there was a connection.
    private volatile IntConsumer isNeeded = _ -> {};

    /// What happens when a connection is lost.
    private volatile Consumer<String> linkIsLost = _ -> {};

    /// Whether it shares the pages that it has not touched.
    private volatile boolean shares;

    /// @param number by which messages name it
    /// @param faults owned from now on
    /// @param origin of the pages, owned from now on
    /// @param present the pages that are there, owned from now on
    LateRam(
            PageService service,
            String name,
            int number,
            LateMemory memory,
            UserFaultFd faults,
            PageOrigin origin,
            PresentPages present) {
        this.service = service;
        this.name = name;
        this.number = number;
        this.memory = memory;
        this.faults = faults;
        this.origin = origin;
        this.present = present;
        shares = origin.kind() == PageOrigin.Kind.SHARED_FILE;
        views = memory.ramViews();
        pages = memory.ramBytes() / GuestMemory.PAGE_SIZE;
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
                number,
                name,
                shares || origin.kind() != PageOrigin.Kind.SHARED_FILE
                        ? origin.kind()
                        : PageOrigin.Kind.FILE,
                switch (origin) {
                    case PageOrigin.SavedFile saved -> saved.start();
                    case PageOrigin.Peer _ -> hasJoined ? 1 : 0;
                },
                pages,
                views.stream().map(LateRam::mapped).toList());
    }

    /// The descriptors that go with the message.
    int[] descriptors() {
        return new int[] {faults.fd(), origin.fd(), present.fd()};
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

    /// Calls `then` with the number of each page that a thread waits for before [#join]; another thread gives it by
    /// [#bring]. A page that is not given comes after [#join]. `then` does not wait.
    public void whenNeeded(IntConsumer then) {
        isNeeded = then;
    }

    /// A thread waits for a page, and there was no connection.
    void isNeeded(int page) {
        isNeeded.accept(page);
    }

    /// Lets a page be there that somebody has needed.
    ///
    /// @param content of the page; empty for zeros
    public void bring(int page, ByteBuffer content) {
        service.bring(this, new PageMessage.Page(number, page, content));
    }

    /// Gives the missing pages up: they will not come.
    ///
    /// @param reason for an operator
    public void giveUp(String reason) {
        service.giveUp(this, reason);
    }

    /// Lets pages come over a connection to the host that has them. One before it is not used any more. That host is
    /// told when all pages are there and the guest runs.
    ///
    /// @param link owned from now on
    public void join(StreamSocket link) {
        hasJoined = true;
        if (!service.join(this, link)) {
            tellThatItIsComplete(link);
        }
    }

    /// Tells the host of a connection that no pages are needed any more, when the guest runs.
    ///
    /// @param link owned from now on
    void tellThatItIsComplete(StreamSocket link) {
        if (isLost()) {
            lastWords(link, new PageFrame.Ended("its memory is lost"));
        } else {
            CompletableFuture<Void> _ =
                    runs.thenRun(() ->
                                    lastWords(
                                            link,
                                            new PageFrame.Running(),
                                            new PageFrame.Complete()))
                            .whenComplete((_, failure) -> {
                                if (failure != null) {
                                    log.error("{}: its connection", name, failure);
                                }
                            });
        }
    }

    private void lastWords(StreamSocket link, PageFrame... frames) {
        try (link;
                Arena arena = Arena.ofConfined()) {
            IoVectors out = new IoVectors(arena, 1);
            for (PageFrame frame : frames) {
                ByteBuffer bytes = frame.encode();
                MemorySegment copy = arena.allocate(bytes.remaining());
                copy.copyFrom(MemorySegment.ofBuffer(bytes));
                out.clear();
                out.add(copy.address(), copy.byteSize());
                link.send(out);
            }
        } catch (IOException e) {
            log.warn("{}: the host that it comes from is not told: {}", name, e.getMessage());
        }
    }

    /// Whether the guest runs.
    boolean isRunning() {
        return runs.isDone();
    }

    /// Tells the host that has the pages that the guest runs.
    public void running() {
        boolean _ = runs.complete(null);
        service.running(this);
    }

    /// Calls `then` with the reason each time a connection is lost, on another thread. Threads wait at missing pages
    /// until [#join].
    public void whenLinkIsLost(Consumer<String> then) {
        linkIsLost = then;
    }

    /// A connection is lost.
    void linkIsLost(String reason) {
        log.warn("{}: the connection over which its memory comes is lost: {}", name, reason);
        linkIsLost.accept(reason);
    }

    /// Calls `then` when all pages are there, or nobody needs them any more, on another thread.
    public void whenThere(Runnable then) {
        CompletableFuture<Void> _ = there.thenRun(then);
    }

    /// Whether the pages that are missing will not come.
    public boolean isLost() {
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
        origin.close();
    }
}
