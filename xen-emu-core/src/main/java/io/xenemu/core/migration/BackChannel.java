package io.xenemu.core.migration;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/// The messages that come to a source while it sends, read by a thread of their own. A refusal closes the connection,
/// so that the sending ends at once, even if the destination reads no more. So does a destination that says more than
/// it is asked for, or what only a source says.
public final class BackChannel {
    /// The most messages that wait: for each guest that moves, that a round of its disks is stored, and as many again.
    private static final int MAX_WAITING = 2 * MigrationMessage.MAX_TOGETHER;

    private final MigrationLink link;
    private final BlockingQueue<Item> items = new LinkedBlockingQueue<>();

    private sealed interface Item {
        record Came(MigrationMessage message) implements Item {}

        record Lost(IOException failure) implements Item {}
    }

    /// Whether pages follow what the destination says when it is ready.
    private final boolean endsWhenReady;

    private BackChannel(MigrationLink link, boolean endsWhenReady) {
        this.link = link;
        this.endsWhenReady = endsWhenReady;
    }

    /// Begins to read. It ends when the connection is closed.
    ///
    /// @param endsWhenReady whether it ends when the destination is ready, too
    public static BackChannel of(MigrationLink link, boolean endsWhenReady) {
        BackChannel back = new BackChannel(link, endsWhenReady);
        Thread.ofPlatform().daemon().name("migration-back").start(back::run);
        return back;
    }

    private void run() {
        try {
            while (true) {
                MigrationMessage message = link.receive();
                if (items.size() >= MAX_WAITING) {
                    refuse(new MigrationMessage.Refuse("it says more than it was asked for"));
                    return;
                }
                switch (message) {
                    case MigrationMessage.Refuse refuse -> {
                        refuse(refuse);
                        return;
                    }
                    case MigrationMessage.Ready ready -> {
                        items.add(new Item.Came(ready));
                        if (endsWhenReady) {
                            return;
                        }
                    }
                    case MigrationMessage.Accept _,
                            MigrationMessage.Stored _,
                            MigrationMessage.Need _,
                            MigrationMessage.Running _ ->
                            items.add(new Item.Came(message));
                    case MigrationMessage.Hello _,
                            MigrationMessage.Recover _,
                            MigrationMessage.Join _,
                            MigrationMessage.Go _,
                            MigrationMessage.Page _ -> {
                        refuse(new MigrationMessage.Refuse("it says what only a source says"));
                        return;
                    }
                }
            }
        } catch (IOException e) {
            items.add(new Item.Lost(e));
        }
    }

    private void refuse(MigrationMessage.Refuse refuse) {
        items.add(new Item.Came(refuse));
        link.close();
    }

    /// Waits for the next message.
    ///
    /// @throws IOException if there comes none within the limit, or the connection is lost
    public MigrationMessage next(Duration limit) throws IOException, InterruptedException {
        return switch (items.poll(limit.toNanos(), TimeUnit.NANOSECONDS)) {
            case null ->
                    throw new SocketTimeoutException(
                            "the other side has not answered for " + limit.toSeconds() + " s");
            case Item.Came(MigrationMessage message) -> message;
            case Item.Lost(IOException failure) -> {
                // For those who ask again.
                items.add(new Item.Lost(failure));
                throw failure;
            }
        };
    }
}
