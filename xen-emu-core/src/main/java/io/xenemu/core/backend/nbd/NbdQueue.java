package io.xenemu.core.backend.nbd;

import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.kvm.abi.Errno;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The requests of an [NbdStore]: those that wait, those on a connection, and what was acknowledged and not flushed.
/// Decides what goes where, and does nothing else: whoever calls holds the store's lock, and does afterwards what a
/// method returns.
final class NbdQueue {
    /// Whether requests can be sent.
    enum Phase {
        /// There are connections.
        UP,
        /// New connections are being made; requests wait.
        DOWN,
        /// That has taken too long: requests fail at once, until there are connections again.
        FAILED,
        /// There will be no connections: requests fail.
        BROKEN
    }

    /// The error of requests without a server.
    static final int NO_SERVER = Errno.EIO;

    /// Bytes of one write: a chunk of the journal.
    private static final int LONGEST_WRITE = 1 << 20;

    /// Bytes of one trim or write of zeroes, so that a server can answer in time.
    private static final int LONGEST_RANGE = 1 << 30;

    /// How often a request is sent again: it may be what breaks the connections.
    private static final int MOST_REPEATS = 5;

    private final NbdExport export;
    private final WriteJournal journal = new WriteJournal();
    private final RequestQueue waiting = new RequestQueue();
    private final NbdRequest ownFlush = new NbdRequest();
    private List<NbdConnection> connections = List.of();
    private Phase phase = Phase.DOWN;
    private @Nullable NbdRequest unused;
    private boolean ownFlushing;
    private long sequence;

    /// @param export as it was when the store was opened
    NbdQueue(NbdExport export) {
        this.export = export;
    }

    Phase phase() {
        return phase;
    }

    /// Requests fail from now on, or wait.
    void leave(Phase next) {
        phase = next;
    }

    /// Requests go to these connections from now on.
    void use(List<NbdConnection> fresh) {
        connections = fresh;
        phase = Phase.UP;
        dispatch();
    }

    List<NbdConnection> connections() {
        return connections;
    }

    WriteJournal journal() {
        return journal;
    }

    /// Requests on connections.
    int inFlight() {
        return connections.stream().mapToInt(connection -> connection.slots.inFlight()).sum();
    }

    boolean isFlushing() {
        return ownFlushing;
    }

    /// Adds a transfer.
    ///
    /// @param command the protocol's, with its flags
    /// @return false if it has to fail
    boolean add(DiskTransfer transfer, int command, int flags) {
        return add(transfer, command, flags, null);
    }

    /// Adds a question.
    ///
    /// @return false if it has to fail
    boolean ask(DiskTransfer transfer, NbdExtents answer) {
        return add(transfer, NbdProtocol.CMD_BLOCK_STATUS, 0, answer);
    }

    private boolean add(
            DiskTransfer transfer, int command, int flags, @Nullable NbdExtents answer) {
        if (phase == Phase.FAILED || phase == Phase.BROKEN) {
            return false;
        }
        NbdRequest request = fresh();
        request.set(command, transfer.offset(), transfer.bytes(), flags, transfer);
        request.sequence = ++sequence;
        request.extents = answer;
        waiting.addLast(request);
        dispatch();
        return true;
    }

    private NbdRequest fresh() {
        NbdRequest request = unused;
        if (request == null) {
            return new NbdRequest();
        }
        unused = request.next;
        return request;
    }

    /// Ends a request whose answer has come and that was sent.
    ///
    /// @return the transfer that is complete; null if it goes on, or is the store's own. The request is not to be used
    ///     after this
    @Nullable DiskTransfer settle(NbdConnection connection, NbdRequest request) {
        connection.slots.free(request);
        unreserve(request);
        if (request.errno == 0) {
            remember(request);
            request.done += request.part;
            request.repeats = 0;
            if (request.left() > 0) {
                waiting.addFirst(request);
                dispatch();
                return null;
            }
        }
        DiskTransfer transfer = request.transfer();
        if (request == ownFlush) {
            ownFlushing = false;
        } else {
            recycle(request);
        }
        dispatch();
        return transfer;
    }

    private void unreserve(NbdRequest request) {
        journal.release(request.reservation);
        request.reservation = 0;
    }

    private void remember(NbdRequest request) {
        if (!export.canFlush()) {
            return;
        }
        if (request.command() == NbdProtocol.CMD_FLUSH) {
            journal.dropUntil(request.mark);
        } else if (request.command() == NbdProtocol.CMD_WRITE) {
            journal.append(request.partOffset(), request.data(), request.done, request.part);
        } else if (request.changes()) {
            journal.append(request.command(), request.partOffset(), request.part);
        }
        if (journal.bytes() > WriteJournal.LIMIT / 2) {
            startFlush();
        }
    }

    private void recycle(NbdRequest request) {
        request.set(NbdProtocol.CMD_FLUSH, 0, 0, 0, null);
        request.next = unused;
        unused = request;
    }

    /// Sends the store's own flush, unless one is under way or there is no connection.
    void startFlush() {
        if (ownFlushing || phase != Phase.UP || !export.canFlush()) {
            return;
        }
        NbdConnection connection = connections.getFirst();
        if (connection.slots.hasRoom(true)) {
            ownFlushing = true;
            ownFlush.set(NbdProtocol.CMD_FLUSH, 0, 0, 0, null);
            ownFlush.sequence = ++sequence;
            prepare(ownFlush);
            connection.assign(ownFlush);
        }
    }

    private void dispatch() {
        while (phase == Phase.UP) {
            NbdRequest next = waiting.first();
            NbdConnection connection = leastBusy();
            if (next == null || !connection.slots.hasRoom(false)) {
                return;
            }
            if (!prepare(next)) {
                startFlush();
                return;
            }
            waiting.removeFirst();
            connection.assign(next);
        }
    }

    private NbdConnection leastBusy() {
        NbdConnection best = connections.getFirst();
        for (int i = 1; i < connections.size(); i++) {
            NbdConnection other = connections.get(i);
            if (other.slots.inFlight() < best.slots.inFlight()) {
                best = other;
            }
        }
        return best;
    }

    /// Decides how much of a request goes now.
    ///
    /// @return false if the journal has no room for it
    private boolean prepare(NbdRequest request) {
        request.mark = journal.tail();
        request.part = Math.toIntExact(Math.min(request.left(), longest(request.command())));
        // Without a flush, writes are to be durable when they are answered, if that can be had.
        // What the first server
        // could do decides: its disk is not flushed and keeps no journal, whatever a later one can.
        request.forced = request.changes() && !export.canFlush() && export.canForceUnitAccess();
        if (request.changes() && export.canFlush()) {
            boolean data = request.command() == NbdProtocol.CMD_WRITE;
            long reserved = journal.reserve(data ? request.part : 0);
            if (reserved < 0) {
                return false;
            }
            request.reservation = reserved;
        }
        return true;
    }

    private int longest(int command) {
        return switch (command) {
            case NbdProtocol.CMD_READ -> export.maximumPayload();
            case NbdProtocol.CMD_WRITE -> Math.min(export.maximumPayload(), LONGEST_WRITE);
            default -> LONGEST_RANGE;
        };
    }

    /// Takes the task of sending on a connection that has something to send and no sender.
    @Nullable NbdConnection claim() {
        if (phase == Phase.UP) {
            for (int i = 0; i < connections.size(); i++) {
                if (connections.get(i).claim()) {
                    return connections.get(i);
                }
            }
        }
        return null;
    }

    /// Takes the requests of connections that have ended, to be sent again before those that wait.
    ///
    /// @return the transfers that were sent too often, and fail
    List<DiskTransfer> requeue() {
        List<DiskTransfer> failed = new ArrayList<>();
        List<NbdRequest> unanswered =
                connections.stream()
                        .flatMap(connection -> connection.takeAll().stream())
                        .sorted(Comparator.comparingLong(request -> -request.sequence))
                        .toList();
        connections = List.of();
        for (NbdRequest request : unanswered) {
            unreserve(request);
            DiskTransfer transfer = request.transfer();
            if (transfer == null) {
                ownFlushing = false;
            } else if (++request.repeats > MOST_REPEATS) {
                failed.add(transfer);
                recycle(request);
            } else {
                waiting.addFirst(request);
            }
        }
        return failed;
    }

    /// The number of the last request.
    long sequence() {
        return sequence;
    }

    /// Takes the transfer that has waited longest, or null.
    ///
    /// @param last the number of the last request that is meant
    @Nullable DiskTransfer takeWaiting(long last) {
        NbdRequest request = waiting.first();
        if (request == null || request.sequence > last) {
            return null;
        }
        NbdRequest _ = waiting.removeFirst();
        DiskTransfer transfer = request.transfer();
        recycle(request);
        return transfer;
    }

    /// Takes the transfer that has waited longest if it changes the disk, else null.
    @Nullable DiskTransfer takeWaitingChange() {
        NbdRequest first = waiting.first();
        return first != null && first.changes() ? takeWaiting(first.sequence) : null;
    }
}
