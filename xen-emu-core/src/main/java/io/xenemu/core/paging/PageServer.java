package io.xenemu.core.paging;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.migration.PageFrame;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.socket.StreamSocket;
import io.xenemu.kvm.thread.Epoll;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A process that brings the memory of guests of one service while they run. It is apart from the service, because a
/// Java thread that waits for a page stops the service's JVM until the page is there.
///
/// One thread waits for messages of the service and for faults of all guests, in the service and in any number of other
/// processes that share a guest's memory. Faults come first, in the order in which each guest's have come; otherwise it
/// brings the pages that nobody has asked for yet, guest by guest. A failure of one guest ends the service to that
/// guest alone, and a failure of a process that shares memory that to this process alone. The process ends when the
/// service has gone.
public final class PageServer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PageServer.class);

    private static final int MOST_EVENTS = 64;

    /// The key of the connection to the service.
    private static final long SERVICE = -1;

    /// The number of a guest's service among those that share its memory.
    private static final int OWN = 0;

    private final MessageSocket service;
    private final Epoll epoll = new Epoll(MOST_EVENTS);
    private final Map<Integer, FaultingGuest> guests = new HashMap<>();
    private final Sources sources;

    /// Opens the places from which pages come.
    interface Sources {
        /// Opens one for a guest.
        ///
        /// @param add not from another host
        /// @param file with the pages, closed after the call
        PageSource open(PageMessage.Add add, HostFile file) throws IOException;
    }

    private PageServer(MessageSocket service, Sources sources) {
        this.service = service;
        this.sources = sources;
    }

    /// Connects to the service that has started this process.
    ///
    /// @throws IOException if it does not listen there
    public static PageServer connect(Path socket) throws IOException {
        SharedPages shared = new SharedPages();
        return connect(
                socket,
                (add, file) ->
                        add.kind() == PageOrigin.Kind.SHARED_FILE
                                ? shared.open(file.fd(), add.start(), add.total())
                                : FilePages.open(file.fd(), add.start(), add.total()));
    }

    static PageServer connect(Path socket, Sources sources) throws IOException {
        return new PageServer(MessageSocket.connect(socket), sources);
    }

    /// Serves until the service has gone.
    ///
    /// @throws IOException if the connection fails
    public void run() throws IOException {
        epoll.add(service.fd(), SERVICE);
        boolean busy = false;
        while (true) {
            int count = epoll.await(busy ? 0 : -1);
            for (int i = 0; i < count; i++) {
                long key = epoll.key(i);
                if (key == SERVICE) {
                    if (!take()) {
                        return;
                    }
                } else {
                    told(key, epoll.isBroken(i));
                }
            }
            // Without a look for further work in vain: a thread waits for what comes next.
            busy = serveFaults() ? any(FaultingGuest::isBusy) : bringMore();
        }
    }

    private boolean any(Predicate<FaultingGuest> condition) {
        for (FaultingGuest guest : guests.values()) {
            if (condition.test(guest)) {
                return true;
            }
        }
        return false;
    }

    /// The key of a userfaultfd: the guest's number, and that of the process among those that share its memory.
    private static long key(int guest, int sharer) {
        return (long) guest << Integer.SIZE | (long) sharer << 1;
    }

    /// The key of the connection of a process that shares memory.
    private static long connectionKey(int guest, int sharer) {
        return key(guest, sharer) | 1;
    }

    /// Takes in what a userfaultfd, or the connection of a process, tells.
    private void told(long key, boolean isBroken) throws IOException {
        int number = (int) (key >>> Integer.SIZE);
        int sharer = (int) key >>> 1;
        boolean isConnection = (key & 1) != 0;
        on(
                guests.get(number),
                guest -> {
                    if (isConnection && sharer == OWN) {
                        peer(guest);
                    } else if (isConnection) {
                        if (isBroken) {
                            guest.fail(sharer, "it has ended");
                        }
                    } else if (isBroken) {
                        broken(guest, sharer);
                    } else if (sharer == OWN ? guest.look() : guest.look(sharer)) {
                        FaultingGuest.Sharer other = guest.sharer(sharer);
                        epoll.unmute(other == null ? guest.fd() : other.process().fd(), key);
                    }
                });
    }

    /// Takes in pages that have come from another host.
    private void peer(FaultingGuest guest) throws IOException {
        PeerPages peer = guest.peer();
        if (peer == null) {
            return;
        }
        boolean more = guest.take(peer);
        if (peer.isDone()) {
            complete(guest, peer);
        } else if (more) {
            epoll.writable(peer.fd(), connectionKey(guest.number(), OWN), true);
        }
    }

    /// Takes in a page that the service has got from another host.
    private void take(FaultingGuest guest, PageMessage.Page page) throws IOException {
        PeerPages peer = guest.peer();
        if (peer == null) {
            throw new IOException("its pages do not come from another host");
        }
        guest.take(peer, page.page(), page.content());
        if (peer.isDone()) {
            complete(guest, peer);
        } else if (peer.isComplete() && peer.fd() < 0) {
            service.send(new PageMessage.Done(guest.number(), 0).encode());
        }
    }

    private void complete(FaultingGuest guest, PeerPages peer) throws IOException {
        unlink(peer, new PageFrame.Complete());
        service.send(new PageMessage.Done(guest.number(), peer.link()).encode());
    }

    /// Says a last word to the other host, if there is a connection.
    private void unlink(PeerPages peer, PageFrame last) {
        if (peer.fd() < 0) {
            return;
        }
        epoll.remove(peer.fd());
        try {
            peer.end(last);
        } catch (PeerPages.LinkLostException e) {
            log.warn("the other host is not told {}: {}", last, e.getMessage());
        }
    }

    private void join(PageMessage.Join join, ImmutableIntArray descriptors) throws IOException {
        if (descriptors.length() != 1) {
            throw new IOException(descriptors.length() + " descriptors for a connection");
        }
        StreamSocket link = StreamSocket.received(descriptors.get(0), "the other host");
        FaultingGuest guest = guests.get(join.guest());
        PeerPages peer = guest == null ? null : guest.peer();
        if (peer == null) {
            link.close();
            return;
        }
        if (peer.fd() >= 0) {
            epoll.remove(peer.fd());
            peer.leave();
        }
        epoll.addBoth(link.fd(), connectionKey(join.guest(), OWN));
        on(guest, it -> peer.join(join.link(), link));
    }

    private void lost(FaultingGuest guest, String reason) throws IOException {
        PeerPages peer = guest.peer();
        if (peer != null && peer.fd() >= 0) {
            epoll.remove(peer.fd());
            peer.leave();
            service.send(new PageMessage.Lost(guest.number(), peer.link(), reason).encode());
            if (peer.isComplete()) {
                service.send(new PageMessage.Done(guest.number(), 0).encode());
            }
        }
    }

    private static void broken(FaultingGuest guest, int sharer) throws IOException {
        String reason = "its userfaultfd has an error";
        if (sharer == OWN) {
            throw new IOException(reason);
        }
        guest.fail(sharer, reason);
    }

    private interface Work {
        void on(FaultingGuest guest) throws IOException;
    }

    private void on(@Nullable FaultingGuest guest, Work work) throws IOException {
        if (guest == null) {
            return;
        }
        try {
            work.on(guest);
        } catch (FaultingGuest.GoneException _) {
            // The service lets it go, or has ended.
            remove(guest.number());
        } catch (PeerPages.LinkLostException e) {
            lost(guest, String.valueOf(e.getMessage()));
        } catch (IOException e) {
            fail(guest.number(), guest.name(), IoReason.of(e));
        } catch (KvmException e) {
            fail(guest.number(), guest.name(), String.valueOf(e.getMessage()));
        }
    }

    private void fail(int guest, String name, String reason) throws IOException {
        log.error("the memory of {} cannot be brought: {}", name, reason);
        remove(guest);
        service.send(new PageMessage.Failed(guest, reason).encode());
    }

    /// Lets one thread of each guest go on.
    ///
    /// @return whether there was any
    private boolean serveFaults() throws IOException {
        boolean served = false;
        if (!any(FaultingGuest::isWaiting)) {
            return served;
        }
        for (FaultingGuest guest : all()) {
            if (guest.isWaiting()) {
                on(guest, FaultingGuest::serve);
                served = true;
            }
        }
        return served;
    }

    /// Brings some pages of each guest.
    ///
    /// @return whether there are more
    private boolean bringMore() throws IOException {
        boolean more = false;
        if (!any(FaultingGuest::hasMore)) {
            return more;
        }
        for (FaultingGuest guest : all()) {
            if (guest.hasMore()) {
                more = true;
                on(
                        guest,
                        it -> {
                            if (it.bringMore()) {
                                service.send(new PageMessage.Done(it.number(), 0).encode());
                            }
                        });
            }
        }
        return more;
    }

    private Collection<FaultingGuest> all() {
        return List.copyOf(guests.values());
    }

    /// Takes a message of the service.
    ///
    /// @return false if the service has gone
    private boolean take() throws IOException {
        MessageSocket.Message message = service.receive();
        if (message == null) {
            return false;
        }
        // Tells again if there is another message.
        epoll.unmute(service.fd(), SERVICE);
        switch (PageMessage.decode(message.bytes())) {
            case PageMessage.Add add -> add(add, message.descriptors());
            case PageMessage.BringAll(int guest) -> on(guests.get(guest), FaultingGuest::bringAll);
            case PageMessage.Drop(int guest) -> {
                remove(guest);
                service.send(new PageMessage.Dropped(guest).encode());
            }
            case PageMessage.Join join -> join(join, message.descriptors());
            case PageMessage.Running(int guest) ->
                    on(
                            guests.get(guest),
                            it -> {
                                PeerPages peer = it.peer();
                                if (peer != null && peer.fd() >= 0) {
                                    peer.running();
                                    if (peer.isDone()) {
                                        complete(it, peer);
                                    }
                                }
                            });
            case PageMessage.Page page -> on(guests.get(page.guest()), it -> take(it, page));
            case PageMessage.Share share -> share(share, message.descriptors());
            case PageMessage.Unshare(int guest, int sharer) ->
                    on(
                            guests.get(guest),
                            it -> {
                                FaultingGuest.Sharer left = it.unshare(sharer);
                                if (left != null) {
                                    unwatch(left);
                                    left.close();
                                }
                            });
            case PageMessage.Done _,
                    PageMessage.Failed _,
                    PageMessage.Dropped _,
                    PageMessage.Lost _,
                    PageMessage.Need _,
                    PageMessage.NotShared _ ->
                    throw new IOException("the service has sent a server's message");
        }
        return true;
    }

    private void add(PageMessage.Add add, ImmutableIntArray descriptors) throws IOException {
        if (descriptors.length() != 3) {
            throw new IOException(descriptors.length() + " descriptors for a guest");
        }
        UserFaultFd faults = UserFaultFd.received(descriptors.get(0));
        PresentPages present = PresentPages.received(descriptors.get(2), add.total());
        if (add.kind() == PageOrigin.Kind.PEER) {
            PresentPages missing = PresentPages.received(descriptors.get(1), add.total());
            add(
                    add,
                    faults,
                    present,
                    new PeerPages(
                            missing,
                            present,
                            add.total(),
                            add.start() != 0,
                            page ->
                                    service.send(
                                            new PageMessage.Need(add.guest(), page).encode())));
            return;
        }
        PageSource source;
        try (HostFile file = HostFile.received(descriptors.get(1))) {
            source = sources.open(add, file);
        } catch (IOException e) {
            faults.close();
            present.close();
            fail(add.guest(), add.name(), IoReason.of(e));
            return;
        }
        add(add, faults, present, source);
    }

    private void add(
            PageMessage.Add add, UserFaultFd faults, PresentPages present, PageSource source)
            throws IOException {
        FaultingGuest guest = new FaultingGuest(add, faults, source, present, this::notShared);
        guests.put(guest.number(), guest);
        epoll.add(guest.fd(), key(guest.number(), OWN));
        on(guest, FaultingGuest::begin);
        if (source instanceof PeerPages peer && peer.isComplete()) {
            // There were none, or a server before this one has brought the last one.
            service.send(new PageMessage.Done(guest.number(), 0).encode());
        }
    }

    private void share(PageMessage.Share share, ImmutableIntArray descriptors) throws IOException {
        if (descriptors.length() != 2) {
            throw new IOException(descriptors.length() + " descriptors for a process");
        }
        FaultingGuest.Sharer sharer =
                new FaultingGuest.Sharer(
                        new FaultingProcess(
                                share.name(),
                                UserFaultFd.received(descriptors.get(0)),
                                share.mappings()),
                        HostFile.received(descriptors.get(1)));
        FaultingGuest guest = guests.get(share.guest());
        if (guest == null) {
            // It has all of its memory, or is lost: the service knows, or will soon.
            sharer.close();
            return;
        }
        try {
            watch(share, sharer);
        } catch (KvmException e) {
            tellNotShared(
                    share.guest(), share.sharer(), sharer, "its descriptors: " + e.getMessage());
            sharer.close();
            return;
        }
        on(guest, it -> it.share(share.sharer(), sharer));
    }

    /// Waits for both descriptors, or none.
    private void watch(PageMessage.Share share, FaultingGuest.Sharer sharer) {
        epoll.add(sharer.process().fd(), key(share.guest(), share.sharer()));
        boolean done = false;
        try {
            epoll.add(sharer.connection().fd(), connectionKey(share.guest(), share.sharer()));
            done = true;
        } finally {
            if (!done) {
                epoll.remove(sharer.process().fd());
            }
        }
    }

    /// The service and the process have duplicates, so that closing alone would not end the waiting.
    private void unwatch(FaultingGuest.Sharer sharer) {
        epoll.remove(sharer.process().fd());
        epoll.remove(sharer.connection().fd());
    }

    private void notShared(int guest, int number, FaultingGuest.Sharer sharer, String reason)
            throws IOException {
        unwatch(sharer);
        sharer.close();
        tellNotShared(guest, number, sharer, reason);
    }

    private void tellNotShared(int guest, int number, FaultingGuest.Sharer sharer, String reason)
            throws IOException {
        log.warn("{} does not get its pages any more: {}", sharer.process().name(), reason);
        service.send(new PageMessage.NotShared(guest, number, reason).encode());
    }

    private void remove(int number) throws IOException {
        FaultingGuest guest = guests.remove(number);
        if (guest != null) {
            epoll.remove(guest.fd());
            PeerPages peer = guest.peer();
            if (peer != null) {
                unlink(peer, new PageFrame.Ended(""));
            }
            guest.sharers().forEach(this::unwatch);
            guest.close();
        }
    }

    @Override
    public void close() throws IOException {
        for (FaultingGuest guest : all()) {
            remove(guest.number());
        }
        epoll.close();
        service.close();
    }
}
