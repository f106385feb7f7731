package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.paging.LateRam;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.socket.StreamSocket;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// One migration as an operator sees it, on one side. The thread that migrates changes it; any thread reads it. Its
/// monitor is a leaf.
public final class Migration {
    private final UUID id;
    private final Direction direction;
    private final List<String> guests;
    private final String guest;
    private final String peer;

    @GuardedBy("this")
    private boolean isLeft;

    @GuardedBy("this")
    private MigrationPhase phase = MigrationPhase.COMPATIBLE;

    @GuardedBy("this")
    private Rounds rounds = Rounds.NONE;

    @GuardedBy("this")
    private String reason = "";

    @GuardedBy("this")
    private @Nullable Duration downtime;

    @GuardedBy("this")
    private String checked = "";

    @GuardedBy("this")
    private @Nullable Question question;

    /// Ends the work on it; null while that is not possible.
    @GuardedBy("this")
    private @Nullable Runnable canceller;

    @GuardedBy("this")
    private boolean cancelled;

    /// Whether the guest has run at the other host.
    @GuardedBy("this")
    private boolean ranElsewhere;

    /// The next connection of a source.
    @GuardedBy("this")
    private @Nullable MigrationLink nextLink;

    /// The next connection of a destination.
    @GuardedBy("this")
    private @Nullable StreamSocket nextSocket;

    /// The memory of a guest that has come, while its pages follow.
    @GuardedBy("this")
    private @Nullable LateRam late;

    /// Complete when no pages follow any more, with the reason if they should.
    @GuardedBy("this")
    private CompletableFuture<String> stop = new CompletableFuture<>();

    @GuardedBy("this")
    private LongSupplier missing = () -> 0;

    @GuardedBy("this")
    private Supplier<Disks> disks = () -> Disks.NONE;

    /// The direction of a migration, from this service.
    public enum Direction {
        OUT,
        IN
    }

    /// An operator's decision about this side's copy of a guest.
    public enum Resolution {
        RUN,
        DESTROY,
        /// Its source connects again.
        RECOVER
    }

    /// What has to succeed before a copy runs that has stood still: it claims the guest's disks.
    interface BeforeRun {
        /// Does it.
        ///
        /// @throws Refused with the reason for which it cannot run
        void run() throws Refused;
    }

    private record Question(CompletableFuture<Resolution> answer, BeforeRun beforeRun) {}

    /// How far the rounds are.
    ///
    /// @param number of the last round
    /// @param bytes that were sent in all
    /// @param written the pages that were written during the last round
    /// @param pagesPerSecond that the guest writes
    /// @param bytesPerSecond that are sent
    /// @param estimate the time for which the guest would stand still now
    /// @param throttle the percentage of time for which the vCPUs stand still
    public record Rounds(
            int number,
            long bytes,
            long written,
            long pagesPerSecond,
            long bytesPerSecond,
            Duration estimate,
            int throttle) {
        static final Rounds NONE = new Rounds(0, 0, 0, 0, 0, Duration.ZERO, 0);
    }

    /// How far the disks are whose content goes with the guest.
    ///
    /// @param total the bytes of all of them; 0 if there are none
    /// @param looked the bytes of them that the first round has dealt with
    /// @param sent the bytes that were sent in all rounds; holes and zeros are not
    public record Disks(long total, long looked, long sent) {
        static final Disks NONE = new Disks(0, 0, 0);
    }

    /// What it is now.
    ///
    /// @param guest its name, or those of guests that move together, with `and` between them
    /// @param guests the names
    /// @param reason for a failure, or for an open question; empty if there is none
    /// @param downtime for which the guest has not run, if that is known
    /// @param missing the pages that still have to follow the guest
    /// @param checked lines that tell what was looked at before; empty until then
    public record Status(
            UUID id,
            Direction direction,
            String guest,
            List<String> guests,
            String peer,
            MigrationPhase phase,
            Rounds rounds,
            Disks disks,
            String reason,
            @Nullable Duration downtime,
            long missing,
            String checked) {
        public Status {
            guests = List.copyOf(guests);
        }
    }

    /// @param id the same on both sides
    /// @param guests the names of those that move together
    /// @param peer the other host, as the operator has named it
    Migration(UUID id, Direction direction, List<String> guests, String peer) {
        this(id, direction, guests, peer, false);
    }

    private Migration(
            UUID id, Direction direction, List<String> guests, String peer, boolean isLeft) {
        this.isLeft = isLeft;
        this.id = id;
        this.direction = direction;
        this.guests = List.copyOf(guests);
        this.guest = String.join(" and ", guests);
        this.peer = peer;
    }

    /// One that an earlier service has left: only its record is there.
    static Migration left(UUID id, List<String> guests, String peer) {
        Migration left = new Migration(id, Direction.OUT, guests, peer, true);
        left.enter(
                MigrationPhase.UNDECIDED,
                "this service had decided that %s runs %s, and has ended"
                        .formatted(peer, guests.size() == 1 ? "the guest" : "the guests"));
        return left;
    }

    /// Whether only a record of it is left.
    synchronized boolean isLeft() {
        return isLeft;
    }

    /// The guest is gone here, and only the record of the decision is left.
    synchronized void leaveRecord() {
        isLeft = true;
        question = null;
    }

    UUID id() {
        return id;
    }

    /// The name of its guest, or the names of all with `and` between them.
    String guest() {
        return guest;
    }

    List<String> guests() {
        return guests;
    }

    /// Whether a guest moves by it.
    boolean has(String name) {
        return guests.contains(name);
    }

    String peer() {
        return peer;
    }

    public synchronized Status status() {
        return new Status(
                id,
                direction,
                guest,
                guests,
                peer,
                phase,
                rounds,
                disks.get(),
                reason,
                downtime,
                missing.getAsLong(),
                checked);
    }

    /// The guest runs at the other host: what is here is older.
    synchronized void runsElsewhere() {
        ranElsewhere = true;
    }

    /// Tells how many pages still have to follow.
    synchronized void misses(LongSupplier pages) {
        missing = pages;
    }

    /// Tells how far the disks are that are copied.
    synchronized void copies(Supplier<Disks> now) {
        disks = now;
    }

    /// Pages follow the guest from now on.
    ///
    /// @return complete when they do not any more, with the reason if they should
    synchronized CompletableFuture<String> follows() {
        enter(MigrationPhase.POST_COPY, "");
        if (stop.isDone()) {
            stop = new CompletableFuture<>();
        }
        return stop;
    }

    /// The memory of the guest that has come.
    synchronized void comesBy(LateRam ram) {
        late = ram;
    }

    /// Its source connects again.
    ///
    /// @return gives the link to be used; complete as [#follows]
    /// @throws Refused if it is not paused
    synchronized CompletableFuture<String> recover(MigrationLink link) throws Refused {
        Question asked = question;
        if (phase != MigrationPhase.PAUSED || asked == null) {
            throw new Refused("the migration of " + guest + " is not paused: " + phase.word());
        }
        question = null;
        nextLink = link;
        CompletableFuture<String> follows = follows();
        boolean _ = asked.answer().complete(Resolution.RECOVER);
        return follows;
    }

    /// The connection of [#recover].
    synchronized MigrationLink takeLink() {
        MigrationLink link = Objects.requireNonNull(nextLink);
        nextLink = null;
        return link;
    }

    /// The source of a guest that has come connects again. That tells the destination that it has decided, too.
    ///
    /// @param socket owned from now on
    /// @return complete as [#follows]
    /// @throws Refused if no pages of the guest can follow
    CompletableFuture<String> rejoin(StreamSocket socket) throws Refused {
        boolean done = false;
        try {
            LateRam ram = offer(socket);
            CompletableFuture<String> follows;
            if (ram == null) {
                resolve(Resolution.RUN);
                follows = follows();
            } else {
                synchronized (this) {
                    follows = phase == MigrationPhase.DONE ? stop : follows();
                }
                ram.join(socket);
            }
            done = true;
            return follows;
        } finally {
            if (!done) {
                StreamSocket _ = takeSocket();
                socket.close();
            }
        }
    }

    /// Keeps a connection for whoever waits for the decision.
    ///
    /// @return the memory that can use it at once; null if somebody waits
    private synchronized @Nullable LateRam offer(StreamSocket socket) throws Refused {
        LateRam ram = late;
        if (ram == null) {
            throw new Refused("no pages of " + guest + " are missing here");
        }
        return switch (phase) {
            case POST_COPY, PAUSED, DONE -> ram;
            case UNDECIDED -> {
                nextSocket = socket;
                yield null;
            }
            case FAILED -> throw new Refused(guest + " did not come: " + reason);
            case COMPATIBLE, ROUNDS, LAST_PAGES, READY, DECIDED ->
                    throw new Refused(guest + " still comes by an earlier connection");
        };
    }

    /// The connection of [#rejoin] while the decision was not known; null if there is none.
    synchronized @Nullable StreamSocket takeSocket() {
        StreamSocket socket = nextSocket;
        nextSocket = null;
        return socket;
    }

    synchronized MigrationPhase phase() {
        return phase;
    }

    void enter(MigrationPhase next) {
        enter(next, "");
    }

    synchronized void enter(MigrationPhase next, String why) {
        phase = next;
        reason = why;
        if (next == MigrationPhase.PAUSED || next.isOver()) {
            boolean _ = stop.complete(why);
        }
    }

    /// Lines that tell what was looked at.
    synchronized void checked(String lines) {
        checked = lines;
    }

    synchronized void at(Rounds now) {
        rounds = now;
    }

    synchronized void stoodStill(Duration time) {
        downtime = time;
    }

    /// Pauses it until an operator decides.
    ///
    /// @param why pages do not follow
    /// @param beforeRun as for [#ask]
    /// @return gives the answer
    synchronized CompletableFuture<Resolution> pause(String why, BeforeRun beforeRun) {
        CompletableFuture<Resolution> asked = ask(why, beforeRun);
        enter(MigrationPhase.PAUSED, why);
        return asked;
    }

    /// Asks an operator.
    ///
    /// @param why it cannot be known
    /// @param beforeRun what has to succeed before the guest may run here; called with no lock held
    /// @return gives the answer
    synchronized CompletableFuture<Resolution> ask(String why, BeforeRun beforeRun) {
        enter(MigrationPhase.UNDECIDED, why);
        CompletableFuture<Resolution> asked = new CompletableFuture<>();
        question = new Question(asked, beforeRun);
        return asked;
    }

    /// Calls `cancel` when it is cancelled, or has been.
    ///
    /// @param cancel called with no lock held; null when it cannot be cancelled any more
    void cancelWith(@Nullable Runnable cancel) {
        boolean now;
        synchronized (this) {
            canceller = cancel;
            now = cancelled;
        }
        if (now && cancel != null) {
            cancel.run();
        }
    }

    /// Cancels it, unless it is too late.
    ///
    /// @return false if it is
    boolean cancel() {
        Runnable cancel;
        synchronized (this) {
            if (canceller == null && phase != MigrationPhase.COMPATIBLE) {
                return false;
            }
            cancelled = true;
            cancel = canceller;
        }
        if (cancel != null) {
            cancel.run();
        }
        return true;
    }

    /// Gives an operator's answer.
    ///
    /// @throws Refused if nothing is asked; or if the guest cannot run here, and then it is asked again
    void resolve(Resolution answer) throws Refused {
        synchronized (this) {
            if (answer == Resolution.RUN && ranElsewhere) {
                throw new Refused("%s has run at %s: what is here is older".formatted(guest, peer));
            }
        }
        Question asked;
        synchronized (this) {
            asked = question;
            question = null;
        }
        boolean isTaken = false;
        try {
            if (asked != null && answer == Resolution.RUN) {
                asked.beforeRun().run();
            }
            isTaken = true;
        } finally {
            if (!isTaken) {
                putBack(asked);
            }
        }
        if (asked == null || !asked.answer().complete(answer)) {
            throw new Refused(
                    "the migration of " + guest + " has nothing to decide: " + phase().word());
        }
    }

    private synchronized void putBack(@Nullable Question asked) {
        if (question == null && !isLeft) {
            question = asked;
        }
    }
}
