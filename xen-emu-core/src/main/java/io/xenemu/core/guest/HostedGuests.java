package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The guests in the background of a service, by name.
public final class HostedGuests implements OrderlyStop.Guests, AutoCloseable {
    private final Hypervisor hypervisor;
    private final Path dumps;

    @GuardedBy("this")
    private final Map<String, HostedGuest> guests = new LinkedHashMap<>();

    @GuardedBy("this")
    private boolean closed;

    /// Guests that have been asked to power off because the service ends.
    private final Set<HostedGuest> asked = ConcurrentHashMap.newKeySet();

    /// @param dumps the folder for core dumps, which may not be there yet
    public HostedGuests(Hypervisor hypervisor, Path dumps) {
        this.hypervisor = hypervisor;
        this.dumps = dumps;
    }

    /// Starts a guest.
    ///
    /// @param paused whether it begins paused
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    /// @throws Refused when there is a guest of that name, or the guest is destroyed before it runs
    public void create(GuestRequest request, boolean paused) throws BootException, Refused {
        String name = request.config().name();
        HostedGuest guest = new HostedGuest(hypervisor, request, dumps, paused, () -> ended(name));
        synchronized (this) {
            if (closed) {
                throw Refused.serviceEnds();
            }
            if (guests.putIfAbsent(name, guest) != null) {
                throw new Refused("a domain has this name already: " + name);
            }
        }
        try {
            guest.start();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Refused.serviceEnds();
        }
    }

    private synchronized void ended(String name) {
        guests.remove(name);
    }

    /// The guest of a name, if there is one.
    public synchronized @Nullable HostedGuest named(String name) {
        return guests.get(name);
    }

    /// Takes no more guests. The present ones end when they next stop; stopped ones end now.
    public void end() {
        List<HostedGuest> last;
        synchronized (this) {
            closed = true;
            last = List.copyOf(guests.values());
        }
        last.forEach(HostedGuest::endAtStop);
    }

    @Override
    public synchronized List<String> left() {
        return List.copyOf(guests.keySet());
    }

    @Override
    public void ask() {
        List<HostedGuest> all;
        synchronized (this) {
            all = List.copyOf(guests.values());
        }
        for (HostedGuest guest : all) {
            if (!asked.contains(guest) && guest.askToPowerOff()) {
                asked.add(guest);
            }
        }
    }

    /// Ends all guests at once.
    @Override
    public void close() {
        List<HostedGuest> ending;
        synchronized (this) {
            closed = true;
            ending = List.copyOf(guests.values());
        }
        try {
            for (HostedGuest guest : ending) {
                guest.stop();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
