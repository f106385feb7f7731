package io.xenemu.core.paging;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.memory.LateMemory;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A service's page server: started with the first guest whose memory comes later, and kept. If it ends, guests wait at
/// missing pages, and another one is started, which takes all of them over.
///
/// Any thread may use it.
public final class PageService implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PageService.class);

    /// How often a server may end before a guest's memory has come: each time it starts again, guests wait.
    private static final int MAX_ENDS = 5;

    /// The most processes that share a guest's memory: each has two descriptors here, and two in the server.
    private static final int MAX_SHARERS = 128;

    /// The time that a server has to let a guest go.
    private static final int LET_GO_SECONDS = 10;

    private final List<String> command;

    @GuardedBy("this")
    private final Map<Integer, LateRam> guests = new HashMap<>();

    /// The processes that share the memory of guests, by the guest's number, and then by theirs.
    @GuardedBy("this")
    private final Map<Integer, Map<Integer, SharingProcess>> sharers = new HashMap<>();

    /// The connections over which pages of guests come.
    @GuardedBy("this")
    private final Map<Integer, PeerLink> links = new HashMap<>();

    /// The guests that the server is to let go, and their answers.
    @GuardedBy("this")
    private final Map<Integer, CompletableFuture<Void>> leaving = new HashMap<>();

    @GuardedBy("this")
    private @Nullable PageServerProcess server;

    @GuardedBy("this")
    private int lastNumber;

    @GuardedBy("this")
    private int lastSharer;

    @GuardedBy("this")
    private int lastLink;

    @GuardedBy("this")
    private int ends;

    @GuardedBy("this")
    private boolean closed;

    /// A connection to the host that has a guest's pages.
    ///
    /// @param number of it
    private record PeerLink(int number, StreamSocket socket) {}

    /// A service without a server yet.
    public PageService() {
        this(PageServerProcess.command());
    }

    /// @param command starts a server
    PageService(List<String> command) {
        this.command = command;
    }

    /// Begins to start the server if there is none, and does not wait: its JVM starts while a guest is read.
    public void prepare() {
        Thread.ofPlatform()
                .name("page-server-start")
                .daemon()
                .start(() -> {
                    try {
                        synchronized (this) {
                            PageServerProcess _ = started();
                        }
                    } catch (IOException e) {
                        log.debug("{} is told when a guest needs it", e.toString());
                    }
                });
    }

    /// Lets the RAM of a new domain come while the domain runs.
    ///
    /// @param name for messages
    /// @param shares whether it shares the pages with other guests of the file: then it gets only those that it touches
    /// @param faults owned from now on
    /// @param file with the pages, owned from now on
    /// @param start of the pages in it
    /// @throws IOException if there is no server
    public LateRam bring(
            String name,
            LateMemory memory,
            boolean shares,
            UserFaultFd faults,
            HostFile file,
            long start)
            throws IOException {
        PresentPages present =
                PresentPages.create(
                        "xen-present-" + name, memory.ramBytes() / GuestMemory.PAGE_SIZE);
        return bring(name, memory, faults, new PageOrigin.SavedFile(file, start, shares), present);
    }

    /// Lets the RAM of a new domain come from the host which it comes from, while the domain runs. [LateRam#join] gives
    /// the connection.
    ///
    /// @param name for messages
    /// @param faults owned from now on
    /// @param missing the pages that the other host has, owned from now on
    /// @param present the pages that are there, owned from now on
    /// @throws IOException if there is no server
    public LateRam bring(
            String name,
            LateMemory memory,
            UserFaultFd faults,
            PresentPages missing,
            PresentPages present)
            throws IOException {
        return bring(name, memory, faults, new PageOrigin.Peer(missing), present);
    }

    private LateRam bring(
            String name,
            LateMemory memory,
            UserFaultFd faults,
            PageOrigin origin,
            PresentPages present)
            throws IOException {
        log.info("{}: its memory comes while it runs", name);
        synchronized (this) {
            LateRam ram = null;
            boolean done = false;
            try {
                PageServerProcess running = started();
                ram = new LateRam(this, name, ++lastNumber, memory, faults, origin, present);
                ram.register();
                guests.put(ram.number(), ram);
                done = true;
                send(running, ram);
                return ram;
            } finally {
                if (!done && ram != null) {
                    ram.discard();
                } else if (!done) {
                    faults.close();
                    origin.close();
                    present.close();
                }
            }
        }
    }

    @GuardedBy("this")
    private PageServerProcess started() throws IOException {
        PageServerProcess running = server;
        if (running == null) {
            if (closed) {
                throw new IOException("the service ends");
            }
            PageServerProcess begun = PageServerProcess.start(command);
            server = begun;
            Thread.ofPlatform().name("page-server").daemon().start(() -> listen(begun));
            running = begun;
        }
        return running;
    }

    /// Gives a guest to a server. One that has just ended has a successor soon, which gets it too.
    @GuardedBy("this")
    private void send(PageServerProcess to, LateRam ram) {
        tell(to, ram.message(), ram.descriptors());
        sharersOf(ram.number())
                .forEach((number, sharing) ->
                        tell(to, sharing.message(number), sharing.descriptors()));
        PeerLink link = links.get(ram.number());
        if (link != null) {
            join(to, ram, link);
        }
    }

    private static void join(PageServerProcess to, LateRam ram, PeerLink link) {
        tell(to, new PageMessage.Join(ram.number(), link.number()), link.socket().fd());
        if (ram.isRunning()) {
            tell(to, new PageMessage.Running(ram.number()));
        }
    }

    /// Lets a guest's pages come over a connection.
    ///
    /// @return false if they do not come any more
    synchronized boolean join(LateRam ram, StreamSocket socket) {
        if (!guests.containsKey(ram.number())) {
            return false;
        }
        PeerLink before = links.get(ram.number());
        PeerLink link = new PeerLink(++lastLink, socket);
        links.put(ram.number(), link);
        if (before != null) {
            before.socket().close();
        }
        if (server != null) {
            join(server, ram, link);
        }
        return true;
    }

    /// The guest runs.
    synchronized void running(LateRam ram) {
        if (server != null && links.containsKey(ram.number())) {
            tell(server, new PageMessage.Running(ram.number()));
        }
    }

    /// A thread waits for a page of a guest, and there was no connection.
    private void isNeeded(int guest, int page) {
        LateRam ram;
        synchronized (this) {
            ram = guests.get(guest);
        }
        if (ram != null) {
            ram.isNeeded(page);
        }
    }

    /// Gives a page to the server. One that has just ended has a successor soon, which asks for it.
    synchronized void bring(LateRam ram, PageMessage.Page page) {
        if (server != null && guests.containsKey(ram.number())) {
            tell(server, page);
        }
    }

    /// The missing pages of a guest will not come.
    void giveUp(LateRam ram, String reason) {
        synchronized (this) {
            if (guests.remove(ram.number()) == null) {
                return;
            }
            unlink(ram.number());
            if (server != null) {
                tell(server, new PageMessage.Drop(ram.number()));
            }
        }
        lose(ram, reason);
    }

    /// A connection is lost. Another one may be there already.
    private void lost(int guest, int number, String reason) {
        LateRam ram;
        synchronized (this) {
            PeerLink link = links.get(guest);
            if (link == null || link.number() != number) {
                return;
            }
            unlink(guest);
            ram = guests.get(guest);
        }
        if (ram != null) {
            ram.linkIsLost(reason);
        }
    }

    /// A connection that has come too late for the server, which has used another one or none.
    private synchronized @Nullable StreamSocket untold(int guest, int number) {
        PeerLink link = links.get(guest);
        if (link == null || link.number() == number || !guests.containsKey(guest)) {
            return null;
        }
        links.remove(guest);
        return link.socket();
    }

    @GuardedBy("this")
    private void unlink(int guest) {
        PeerLink link = links.remove(guest);
        if (link != null) {
            link.socket().close();
        }
    }

    /// Sends a message to a server. One that has just ended has a successor soon, which is told all that matters.
    private static void tell(PageServerProcess to, PageMessage message, int... descriptors) {
        try {
            to.connection().send(message.encode(), descriptors);
        } catch (IOException e) {
            log.debug("the page server has ended: {}", e.toString());
        }
    }

    @GuardedBy("this")
    private Map<Integer, SharingProcess> sharersOf(int guest) {
        Map<Integer, SharingProcess> found = sharers.get(guest);
        return found == null ? new LinkedHashMap<>() : found;
    }

    /// Lets one more process share a guest's memory.
    ///
    /// @throws IOException if there are too many, or the memory is lost
    void share(LateRam ram, SharingProcess sharing) throws IOException {
        synchronized (this) {
            if (ram.isLost()) {
                throw new IOException("its memory is lost");
            }
            if (guests.containsKey(ram.number())) {
                Map<Integer, SharingProcess> others =
                        sharers.computeIfAbsent(ram.number(), _ -> new LinkedHashMap<>());
                if (others.size() == MAX_SHARERS) {
                    throw new IOException(
                            MAX_SHARERS + " processes share its memory, no more are allowed");
                }
                int number = ++lastSharer;
                others.put(number, sharing);
                if (server != null) {
                    tell(server, sharing.message(number), sharing.descriptors());
                }
                return;
            }
        }
        // All pages are there already.
        sharing.hasCome();
    }

    /// Ends to serve a process.
    synchronized void unshare(SharingProcess sharing) {
        Iterator<Map.Entry<Integer, SharingProcess>> all =
                sharersOf(sharing.guest()).entrySet().iterator();
        while (all.hasNext()) {
            Map.Entry<Integer, SharingProcess> one = all.next();
            if (one.getValue() == sharing) {
                all.remove();
                if (server != null) {
                    tell(server, new PageMessage.Unshare(sharing.guest(), one.getKey()));
                }
            }
        }
    }

    private synchronized @Nullable SharingProcess sharer(int guest, int number) {
        return sharersOf(guest).remove(number);
    }

    /// Takes the messages of a server until its end.
    private void listen(PageServerProcess from) {
        try {
            MessageSocket connection = from.connection();
            for (MessageSocket.Message message = connection.receive();
                    message != null;
                    message = connection.receive()) {
                take(from, PageMessage.decode(message.bytes()));
            }
        } catch (IOException e) {
            log.warn("the page server: {}", IoReason.of(e));
        } catch (RuntimeException e) {
            log.error("the page server is given up", e);
        }
        ended(from);
    }

    private void take(PageServerProcess from, PageMessage message) throws IOException {
        switch (message) {
            case PageMessage.Done(int guest, int link) -> {
                StreamSocket untold = untold(guest, link);
                LateRam ram = with(guest);
                if (ram != null) {
                    complete(ram);
                    if (untold != null) {
                        ram.tellThatItIsComplete(untold);
                    }
                }
                sharersLeave(guest).forEach(SharingProcess::hasCome);
                from.connection().send(new PageMessage.Drop(guest).encode());
            }
            case PageMessage.Failed(int guest, String reason) -> {
                LateRam ram = with(guest);
                if (ram != null) {
                    lose(ram, reason);
                }
            }
            case PageMessage.Lost(int guest, int link, String reason) -> lost(guest, link, reason);
            case PageMessage.Need(int guest, int page) -> isNeeded(guest, page);
            case PageMessage.NotShared(int guest, int number, String reason) -> {
                SharingProcess sharing = sharer(guest, number);
                if (sharing != null) {
                    sharing.fail(reason);
                }
            }
            case PageMessage.Dropped(int guest) -> {
                CompletableFuture<Void> answer;
                synchronized (this) {
                    answer = leaving.remove(guest);
                }
                if (answer != null) {
                    boolean _ = answer.complete(null);
                }
            }
            case PageMessage.Add _,
                    PageMessage.BringAll _,
                    PageMessage.Drop _,
                    PageMessage.Join _,
                    PageMessage.Page _,
                    PageMessage.Running _,
                    PageMessage.Share _,
                    PageMessage.Unshare _ ->
                    throw new IOException("it has sent a message for a server");
        }
    }

    private void complete(LateRam ram) {
        try {
            ram.hasCome();
        } catch (KvmException e) {
            lose(ram, String.valueOf(e.getMessage()));
        }
    }

    /// The guest of a message that ends its need for a server.
    private synchronized @Nullable LateRam with(int guest) {
        ends = 0;
        unlink(guest);
        return guests.remove(guest);
    }

    /// The processes that share a guest's memory, which do not need a server any more.
    private synchronized Collection<SharingProcess> sharersLeave(int guest) {
        Map<Integer, SharingProcess> left = sharers.remove(guest);
        return left == null ? List.of() : left.values();
    }

    /// The pages of a guest are lost. Threads of other processes that wait for them go on to wait.
    private void lose(LateRam ram, String reason) {
        ram.lose(reason);
        sharersLeave(ram.number()).forEach(sharing -> sharing.fail(reason));
    }

    /// A server has ended. Its guests wait, until another one has taken them over.
    private void ended(PageServerProcess old) {
        // It touches no memory any more: a hung one too.
        old.kill();
        List<LateRam> orphans;
        String reason = "the page server has ended";
        synchronized (this) {
            server = null;
            leaving.values().forEach(answer -> answer.complete(null));
            leaving.clear();
            orphans = List.copyOf(guests.values());
            if (!closed && !orphans.isEmpty()) {
                reason = old.lastWords();
                log.warn("the page server has ended: {}", reason);
                ends++;
                try {
                    if (ends <= MAX_ENDS) {
                        PageServerProcess next = started();
                        for (LateRam ram : orphans) {
                            send(next, ram);
                        }
                        orphans = List.of();
                    }
                } catch (IOException e) {
                    reason = IoReason.of(e);
                }
                for (LateRam ram : orphans) {
                    guests.remove(ram.number());
                    unlink(ram.number());
                }
            }
        }
        String why = reason;
        orphans.forEach(ram -> lose(ram, why));
        old.close();
    }

    /// Makes the server bring a guest all pages.
    synchronized void bringAll(LateRam ram) {
        PageServerProcess running = server;
        if (running != null && guests.containsKey(ram.number())) {
            tell(running, new PageMessage.BringAll(ram.number()));
        }
    }

    /// Makes the server let a guest go, and waits until it has.
    void letGo(LateRam ram) {
        sharersLeave(ram.number()).forEach(SharingProcess::guestHasEnded);
        CompletableFuture<Void> answer = new CompletableFuture<>();
        PageServerProcess running;
        synchronized (this) {
            guests.remove(ram.number());
            unlink(ram.number());
            running = server;
            if (running == null) {
                return;
            }
            leaving.put(ram.number(), answer);
        }
        try {
            running.connection().send(new PageMessage.Drop(ram.number()).encode());
            answer.get(LET_GO_SECONDS, TimeUnit.SECONDS);
        } catch (IOException | TimeoutException | ExecutionException e) {
            log.warn("the page server is ended: {}", e.toString());
            running.kill();
        } catch (InterruptedException e) {
            running.kill();
            Thread.currentThread().interrupt();
        }
    }

    /// The process id of the server, 0 if there is none.
    synchronized long pid() {
        return server == null ? 0 : server.pid();
    }

    /// Ends the server. Called after the last guest.
    @Override
    public void close() {
        PageServerProcess last;
        synchronized (this) {
            closed = true;
            last = server;
        }
        if (last != null) {
            last.connection().shutdown();
        }
    }
}
