package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// The further connections that a guest's source is to make, at its destination. Each comes by itself, and shows the
/// token that the source got over the main connection.
final class JoiningStreams implements AutoCloseable {
    private final String guest;

    /// 122 random bits, of which nobody knows but the two sides.
    private final UUID token = UUID.randomUUID();

    /// By their numbers, from 2 on.
    @GuardedBy("this")
    private final @Nullable MigrationLink[] links;

    private final CompletableFuture<List<MigrationLink>> all = new CompletableFuture<>();

    /// Ends when the connections are not used any more.
    private final CompletableFuture<String> end = new CompletableFuture<>();

    /// @param guest that comes
    /// @param streams of the migration, with the main one
    JoiningStreams(String guest, int streams) {
        this.guest = guest;
        links = new MigrationLink[streams - 1];
        if (streams == 1) {
            all.complete(List.of());
        }
    }

    UUID token() {
        return token;
    }

    /// The number of further streams.
    private synchronized int count() {
        return links.length;
    }

    /// Takes a connection that has shown the token. One too many ends the migration.
    ///
    /// @param number of its stream
    /// @return completed when it is not used any more
    /// @throws Refused if it is one too many
    synchronized CompletableFuture<String> join(int number, MigrationLink link) throws Refused {
        int place = number - 2;
        if (place < 0 || place >= links.length || links[place] != null || all.isDone()) {
            String reason = "stream " + number + " of " + guest + " was not expected";
            all.completeExceptionally(new IOException(reason));
            throw new Refused(reason);
        }
        links[place] = link;
        List<MigrationLink> come = come();
        if (come.size() == links.length) {
            all.complete(come);
        }
        return end;
    }

    /// Waits until all have come.
    ///
    /// @throws IOException if they do not, or there was one too many
    List<MigrationLink> await(Duration limit) throws IOException, InterruptedException {
        try {
            return all.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            String late =
                    "not all of the %d further connections have come within %d s"
                            .formatted(count(), limit.toSeconds());
            all.completeExceptionally(new IOException(late));
            throw new IOException(late, e);
        } catch (ExecutionException e) {
            throw new IOException(
                    String.valueOf(Objects.requireNonNull(e.getCause()).getMessage()), e);
        }
    }

    /// Closes those that have come. None comes any more.
    @Override
    public void close() {
        all.completeExceptionally(new IOException("the migration has ended"));
        come().forEach(MigrationLink::close);
        end.complete(guest);
    }

    /// Those that have come.
    private synchronized List<MigrationLink> come() {
        return Arrays.stream(links)
                .<MigrationLink>mapMulti((link, to) -> {
                    if (link != null) {
                        to.accept(link);
                    }
                })
                .toList();
    }
}
