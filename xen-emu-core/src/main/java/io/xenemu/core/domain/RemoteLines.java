package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.delivery.EventFdThread;
import io.xenemu.core.device.RemoteLineCounters;
import io.xenemu.evtchn.Pirq;
import io.xenemu.evtchn.Pirqs;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.EventFd;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/// The interrupt lines of a domain that processes of remote devices hold. Any number of processes may hold one line: it
/// is up while one of them holds it.
///
/// A line that leads to the interrupt controllers is KVM's. All its irqfds share one level, which KVM takes down at the
/// guest's end of the interrupt. It then tells every process, and each one that still holds the line raises it again
/// (KVM_IRQFD_FLAG_RESAMPLE; `struct kvm_kernel_irqfd_resampler`).
///
/// A line whose PIRQ has a port leads to this process. The irqfd's thread raises the event. PHYSDEVOP_eoi is the end of
/// the interrupt, and tells every process. Whenever a line begins to lead elsewhere, all its processes are asked again.
///
/// Every method may be called from any thread. The monitors here are leaves, below the locks of the event channels.
public final class RemoteLines {
    /// The most lines of all processes: each has a thread and two descriptors.
    static final int MAX_LINES = 256;

    private static final int DESCRIPTORS = 2;

    private final Domain domain;

    /// Changed with the monitor held; an end of an interrupt reads it without.
    private final List<RemoteLine> lines = new CopyOnWriteArrayList<>();

    private final RemoteLineCounters counters = new RemoteLineCounters(lines::size);

    @GuardedBy("this")
    private boolean closed;

    RemoteLines(Domain domain) {
        this.domain = domain;
    }

    /// What has happened.
    public RemoteLineCounters counters() {
        return counters;
    }

    /// Whether a GSI can be a line of a remote device: nothing is connected to pin 0, and pin 2 is the timer's.
    public static boolean exists(int gsi) {
        return gsi > 0 && gsi < Pirqs.GSIS && gsi != AcpiTables.PIT_PIN;
    }

    /// Opens a line for a process, which does not hold it yet.
    ///
    /// @param gsi one that [#exists]
    /// @param ended called when the domain ends, which closes the line
    /// @throws KvmException EMFILE there are too many lines, or the domain has no descriptor left; ENODEV it has ended
    public synchronized RemoteLine open(int gsi, Runnable ended) {
        if (closed) {
            throw new KvmException("remote line", Errno.ENODEV, domain + " has ended");
        }
        if (lines.size() == MAX_LINES || !domain.resources().descriptors().take(DESCRIPTORS)) {
            throw new KvmException("remote line", Errno.EMFILE, "too many lines of " + domain);
        }
        RemoteLine line = null;
        try {
            line = made(gsi, ended);
            // A change of the route that is under way comes after this, and moves the line.
            lines.add(line);
            line.connect(pirqs().isEvent(gsi));
            return line;
        } catch (RuntimeException e) {
            if (line != null) {
                lines.remove(line);
                line.close();
            }
            domain.resources().descriptors().give(DESCRIPTORS);
            throw e;
        }
    }

    private RemoteLine made(int gsi, Runnable ended) {
        EventFd resamplefd = EventFd.create();
        boolean done = false;
        try {
            String name = domain.id() + "-line" + gsi;
            EventFdThread irqfd = domain.threads().start(name, () -> raised(gsi));
            done = true;
            return new RemoteLine(gsi, domain.vm(), irqfd, resamplefd, ended);
        } finally {
            if (!done) {
                resamplefd.close();
            }
        }
    }

    private Pirqs pirqs() {
        return domain.eventChannels().pirqs();
    }

    /// A process has raised a line that does not lead to KVM. It is asked again if the line leads there meanwhile.
    private void raised(int gsi) {
        if (pirqs().raiseGsi(gsi)) {
            counters.event();
        }
    }

    /// Closes a line. What its process held is down: nobody raises the line again for it.
    public synchronized void close(RemoteLine line) {
        if (lines.remove(line)) {
            domain.resources().descriptors().give(DESCRIPTORS);
            line.close();
        }
    }

    /// Lets a line lead to this process, or to the interrupt controllers. Called in the order of the changes.
    synchronized void route(int gsi, boolean isEvent) {
        for (RemoteLine line : lines) {
            if (line.gsi() == gsi) {
                line.route(isEvent);
            }
        }
    }

    /// The guest has ended an interrupt by PHYSDEVOP_eoi.
    public void ended(Pirq pirq) {
        if (lines.isEmpty()) {
            return;
        }
        int gsi = pirqs().gsi(pirq);
        for (RemoteLine line : lines) {
            if (line.gsi() == gsi && line.resample()) {
                counters.resampled();
            }
        }
    }

    /// The reason against a save: the count of holders of a line is in its processes.
    Optional<String> blocker() {
        return lines.isEmpty()
                ? Optional.empty()
                : Optional.of("a process of remote devices has interrupt lines");
    }

    /// Closes every line, and tells its owners.
    void close() {
        List<RemoteLine> all;
        synchronized (this) {
            closed = true;
            all = List.copyOf(lines);
            all.forEach(this::close);
        }
        all.forEach(RemoteLine::domainEnded);
    }
}
