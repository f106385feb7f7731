package io.xenemu.core.guest;

import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.paging.LateRam;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The pages of a post-copy that are needed while its destination makes the domain: by this process, or by KVM, which
/// looks at what it is told to write. They are asked for one by one, over the connection of the migration, and the
/// source still has the guest. If one does not come, the memory is given up, and so the guest stays there.
///
/// It ends before the destination is ready. A page that is needed after that comes when the guest runs.
final class EarlyPages implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(EarlyPages.class);

    /// The longest wait for a page.
    private static final Duration PAGE_LIMIT = Duration.ofSeconds(30);

    private final MigrationLink link;
    private final LateRam ram;
    private final ExecutorService asks =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("migration-early-pages").factory());
    private boolean ended;

    /// @param link nobody else receives from it until the end
    /// @param ram no page was used yet
    EarlyPages(MigrationLink link, LateRam ram) {
        this.link = link;
        this.ram = ram;
        ram.whenNeeded(this::isNeeded);
    }

    private void isNeeded(int page) {
        try {
            asks.execute(() -> ask(page));
        } catch (RejectedExecutionException e) {
            log.debug("page {} comes when the guest runs: {}", page, e.getMessage());
        }
    }

    private void ask(int page) {
        try {
            if (!send(new MigrationMessage.Need(page))) {
                return;
            }
            MigrationMessage answer = link.receive(PAGE_LIMIT);
            switch (answer) {
                case MigrationMessage.Page(int came, var content) when came == page ->
                        ram.bring(page, content);
                case MigrationMessage.Refuse refuse -> ram.giveUp(refuse.reason());
                default -> ram.giveUp("an unexpected message: " + answer);
            }
        } catch (IOException e) {
            ram.giveUp(IoReason.of(e));
        }
    }

    /// @return false if it has ended
    private synchronized boolean send(MigrationMessage.Need need) throws IOException {
        if (ended) {
            return false;
        }
        link.send(need);
        return true;
    }

    private synchronized void stop() {
        ended = true;
        asks.shutdown();
    }

    /// Ends it when the domain is made, and waits for a page that is on its way.
    ///
    /// @throws IOException if the memory is lost
    void end() throws IOException, InterruptedException {
        stop();
        if (!asks.awaitTermination(2 * PAGE_LIMIT.toSeconds(), TimeUnit.SECONDS)) {
            throw new IOException("a page does not come");
        }
        if (ram.isLost()) {
            throw new IOException("its memory is lost");
        }
    }

    /// Ends it without waiting. Whoever closes the connection ends a wait for a page.
    @Override
    public void close() {
        stop();
    }
}
