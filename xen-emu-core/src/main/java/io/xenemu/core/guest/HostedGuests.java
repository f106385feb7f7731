package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.paging.PageService;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The guests in the background of a service, by name.
public final class HostedGuests implements OrderlyStop.Guests, AutoCloseable {
    /// As in xl's names of domains that stay after `rename-restart`, in UTC.
    private static final DateTimeFormatter SUFFIX =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmm'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

    /// The most stopped domains of one guest that stay at a time: more than an operator looks at. Otherwise a guest
    /// that crashes again and again would use up the host's memory, and every domain id.
    private static final int MAX_KEPT = 8;

    private static final Logger log = LoggerFactory.getLogger(HostedGuests.class);

    private final Hypervisor hypervisor;
    private final Path dumps;
    private final int maxKept;
    private final PageService pages = new PageService();

    @GuardedBy("this")
    private final Map<String, HostedGuest> guests = new LinkedHashMap<>();

    /// Names for domains that are about to become guests of their own.
    @GuardedBy("this")
    private final Set<String> reserved = new HashSet<>();

    /// The guest to which each stopped domain that stays belongs, by the domain's new name.
    @GuardedBy("this")
    private final Map<String, String> origins = new HashMap<>();

    @GuardedBy("this")
    private boolean closed;

    /// Guests that have been asked to power off because the service ends.
    private final Set<HostedGuest> asked = ConcurrentHashMap.newKeySet();

    /// @param dumps the folder for core dumps, which may not be there yet
    public HostedGuests(Hypervisor hypervisor, Path dumps) {
        this(hypervisor, dumps, MAX_KEPT);
    }

    /// @param maxKept the most stopped domains of one guest that stay at a time
    HostedGuests(Hypervisor hypervisor, Path dumps, int maxKept) {
        this.hypervisor = hypervisor;
        this.dumps = dumps;
        this.maxKept = maxKept;
    }

    /// Starts a guest.
    ///
    /// @param paused whether it begins paused
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    /// @throws Refused when there is a guest of that name, or the guest is destroyed before it runs
    public void create(GuestRequest request, boolean paused) throws BootException, Refused {
        HostedGuest guest = add(request, new Guest(request, dumps, this::keep), paused);
        try {
            guest.start();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Refused.serviceEnds();
        }
    }

    /// Restores a saved guest.
    ///
    /// @param clock what happens to its clock
    /// @param lazy whether its memory comes while it runs
    /// @param paused whether it begins with one more pause
    /// @param told gets the progress from time to time, on this thread
    /// @throws BootException when the image cannot be used, or the host cannot run the guest
    /// @throws Refused when there is a guest of that name, or the guest is destroyed before it runs
    public void restore(
            SavePlace place,
            ClockPolicy clock,
            boolean lazy,
            boolean paused,
            Consumer<WorkProgress> told)
            throws BootException, Refused, InterruptedException {
        WorkProgress progress = new WorkProgress();
        GuestImage image = GuestImage.open(place, clock, lazy ? pages : null, progress);
        boolean taken = false;
        try {
            HostedGuest guest = add(image.request(), new Guest(image, dumps, this::keep), paused);
            taken = true;
            guest.restore(() -> told.accept(progress));
        } finally {
            if (!taken) {
                image.close();
            }
        }
    }

    private HostedGuest add(GuestRequest request, Guest guest, boolean paused) throws Refused {
        String name = request.config().name();
        HostedGuest hosted =
                HostedGuest.booting(hypervisor, name, guest, paused, () -> ended(name));
        synchronized (this) {
            if (closed) {
                throw Refused.serviceEnds();
            }
            if (isTaken(name)) {
                throw new Refused("a domain has this name already: " + name);
            }
            guests.put(name, hosted);
        }
        return hosted;
    }

    /// Keeps a stopped domain as a guest of its own, under its guest's name with the time, as xl does.
    ///
    /// @return false if the service ends, or too many of the guest's domains stay already
    private boolean keep(StoppedBoot stopped) {
        String origin = stopped.request().config().name();
        String name;
        synchronized (this) {
            if (closed) {
                return false;
            }
            if (Collections.frequency(origins.values(), origin) == maxKept) {
                log.warn(
                        "{} does not stay: {} stopped domains of this guest are preserved already",
                        stopped.boot().domain(),
                        maxKept);
                return false;
            }
            name = freeName(origin, Instant.now());
            reserved.add(name);
            origins.put(name, origin);
        }
        Guest guest = new Guest(stopped, name, dumps);
        HostedGuest kept = HostedGuest.preserved(hypervisor, name, guest, () -> ended(name));
        boolean ending;
        synchronized (this) {
            reserved.remove(name);
            guests.put(name, kept);
            ending = closed;
        }
        kept.begin();
        if (ending) {
            kept.endAtStop();
        }
        return true;
    }

    @GuardedBy("this")
    private boolean isTaken(String name) {
        return guests.containsKey(name) || reserved.contains(name);
    }

    /// A name for a domain that stays, which no other guest has. A long name is cut.
    @GuardedBy("this")
    private String freeName(String name, Instant now) {
        String time = "-" + SUFFIX.format(now);
        String free = name;
        int i = 1;
        do {
            String suffix = i == 1 ? time : time + "-" + i;
            String kept = name;
            while ((kept + suffix).getBytes(UTF_8).length > DomainConfig.MAX_NAME_BYTES) {
                kept = kept.substring(0, kept.offsetByCodePoints(kept.length(), -1));
            }
            free = kept + suffix;
            i++;
        } while (isTaken(free));
        return free;
    }

    private synchronized void ended(String name) {
        guests.remove(name);
        origins.remove(name);
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

    /// Ends all guests at once. One that is about to reboot may leave its domain as another guest, which ends too.
    @Override
    public void close() {
        try {
            for (List<HostedGuest> ending = closing(); !ending.isEmpty(); ending = closing()) {
                for (HostedGuest guest : ending) {
                    guest.stop();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        pages.close();
    }

    private synchronized List<HostedGuest> closing() {
        closed = true;
        return List.copyOf(guests.values());
    }
}
