package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.paging.LateRam;
import io.xenemu.core.paging.PageService;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.util.BitSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The pages that follow a guest from another host, while it runs here. For the thread that restores the guest.
final class LaterPages implements AutoCloseable {
    private static final long PAGE = GuestMemory.PAGE_SIZE;

    private final PageService pages;
    private final MigrationLink link;

    /// The page service's own after [#begin].
    private @Nullable UserFaultFd faults;

    private volatile @Nullable LateRam ram;
    private volatile @Nullable EarlyPages early;

    private LaterPages(PageService pages, MigrationLink link, UserFaultFd faults) {
        this.pages = pages;
        this.link = link;
        this.faults = faults;
    }

    /// Checks that this process may make the kernel wait for pages.
    ///
    /// @throws Refused if it may not
    static void requireRight() throws Refused {
        LazyRestore.faults().close();
    }

    /// @param link to the source; nobody receives from it between [#begin] and [#endAsking]
    /// @throws Refused if this process may not make the kernel wait for pages
    static LaterPages open(PageService pages, MigrationLink link) throws Refused {
        LaterPages opened = new LaterPages(pages, link, LazyRestore.faults());
        pages.prepare();
        return opened;
    }

    /// Lets the missing pages of a new domain come. Those that are needed before the guest runs are asked for.
    ///
    /// @throws IOException if there is no page server, or the host did not take the memory of missing pages back
    void begin(String name, DomainMemory memory, BitSet missing) throws IOException {
        long total = memory.ramBytes() / PAGE;
        requireHoles(memory.ramFile(), missing);
        PresentPages atPeer = PresentPages.create("xen-missing-" + name, total);
        PresentPages present;
        try {
            present = PresentPages.create("xen-present-" + name, total);
        } catch (RuntimeException | Error e) {
            atPeer.close();
            throw e;
        }
        for (int from = missing.nextSetBit(0); from >= 0; ) {
            int to = missing.nextClearBit(from);
            atPeer.set(from, to);
            from = missing.nextSetBit(to);
        }
        MemFd file = memory.ramFile();
        for (long from = file.nextData(0); from < file.size(); ) {
            long to = file.nextHole(from);
            present.set(from / PAGE, to / PAGE);
            from = file.nextData(to);
        }
        UserFaultFd given = Objects.requireNonNull(faults);
        faults = null;
        LateRam comes = pages.bring(name, memory, given, atPeer, present);
        ram = comes;
        early = new EarlyPages(link, comes);
    }

    /// Ends to ask for pages that are needed before the guest runs: its domain is made.
    ///
    /// @throws IOException if its memory is lost
    void endAsking() throws IOException, InterruptedException {
        Objects.requireNonNull(early).end();
    }

    /// A page that is there is not waited for. So no missing one may be.
    private static void requireHoles(MemFd file, BitSet missing) throws IOException {
        for (int from = missing.nextSetBit(0); from >= 0; ) {
            int to = missing.nextClearBit(from);
            if (file.nextData(from * PAGE) < to * PAGE) {
                throw new IOException("the host keeps pages that are to come");
            }
            from = missing.nextSetBit(to);
        }
    }

    /// Crashes the domain if its pages are lost.
    void serves(Domain domain) {
        ram().whenLost(reason -> domain.crash("its memory is lost: " + reason));
    }

    /// The memory.
    LateRam ram() {
        return Objects.requireNonNull(ram);
    }

    @Override
    public void close() {
        EarlyPages asking = early;
        if (asking != null) {
            asking.close();
        }
        if (faults != null) {
            faults.close();
            faults = null;
        }
    }
}
