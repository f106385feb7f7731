package io.xenemu.core.paging;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.thread.Epoll;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A process that brings the memory of guests of one service while they run. It is apart from the service, because a
/// Java thread that waits for a page stops the service's JVM until the page is there.
///
/// One thread waits for messages of the service and for faults of all guests. Faults come first, in the order in which
/// each guest's have come; otherwise it brings the pages that nobody has asked for yet, guest by guest. A failure of
/// one guest ends the service to that guest alone. The process ends when the service has gone.
public final class PageServer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(PageServer.class);

    private static final int MOST_EVENTS = 64;

    /// The key of the connection; guests have their numbers.
    private static final long SERVICE = -1;

    private final MessageSocket service;
    private final Epoll epoll = new Epoll(MOST_EVENTS);
    private final Map<Integer, FaultingGuest> guests = new HashMap<>();
    private final SharedPages shared = new SharedPages();

    private PageServer(MessageSocket service) {
        this.service = service;
    }

    /// Connects to the service that has started this process.
    ///
    /// @throws IOException if it does not listen there
    public static PageServer connect(Path socket) throws IOException {
        return new PageServer(MessageSocket.connect(socket));
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
                    on(guests.get((int) key), FaultingGuest::look);
                }
            }
            busy = serveFaults() || bringMore();
        }
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
        for (FaultingGuest guest : all()) {
            if (guest.hasMore()) {
                more = true;
                on(
                        guest,
                        it -> {
                            if (it.bringMore()) {
                                service.send(new PageMessage.Done(it.number()).encode());
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
            case PageMessage.Done _, PageMessage.Failed _, PageMessage.Dropped _ ->
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
        PageSource source;
        try (HostFile file = HostFile.received(descriptors.get(1))) {
            source =
                    add.shares()
                            ? shared.open(file.fd(), add.start(), add.total())
                            : FilePages.open(file.fd(), add.start(), add.total());
        } catch (IOException e) {
            faults.close();
            present.close();
            fail(add.guest(), add.name(), IoReason.of(e));
            return;
        }
        FaultingGuest guest = new FaultingGuest(add, faults, source, present);
        guests.put(guest.number(), guest);
        epoll.add(guest.fd(), guest.number());
        on(guest, FaultingGuest::begin);
    }

    private void remove(int number) throws IOException {
        FaultingGuest guest = guests.remove(number);
        if (guest != null) {
            epoll.remove(guest.fd());
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
