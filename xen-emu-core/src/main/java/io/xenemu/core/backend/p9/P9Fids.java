package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The numbers that a guest has given to files. A request holds the object that it uses, so that a clunk, or another
/// file under the same number, does not take it away. Safe for any number of threads; its lock is a leaf.
final class P9Fids {
    private static final int BUCKETS = 1024;

    /// Places that are tried before an open fails: some are of removed files.
    private static final int PARK_ATTEMPTS = 32;

    private final int max;
    private final @Nullable Entry[] buckets = new Entry[BUCKETS];
    private int count;
    private int roots;
    private boolean closed;

    /// The bucket where the search for a place to park goes on.
    private int hand;

    private int parkedPlaces;
    private int parkedBytes;

    /// Counts beginnings and ends of renames: a path that was read meanwhile may be old.
    private long renames;

    private int renaming;

    private static final class Entry {
        private final int fid;
        private final boolean root;
        private P9Object object;
        private @Nullable Entry next;

        Entry(int fid, boolean root, P9Object object, @Nullable Entry next) {
            this.fid = fid;
            this.root = root;
            this.object = object;
            this.next = next;
        }
    }

    /// @param max fids
    P9Fids(int max) {
        this.max = max;
    }

    private static int bucket(int fid) {
        return (fid ^ (fid >>> 10) ^ (fid >>> 20)) & (BUCKETS - 1);
    }

    private @Nullable Entry find(int fid) {
        Entry entry = buckets[bucket(fid)];
        while (entry != null && entry.fid != fid) {
            entry = entry.next;
        }
        return entry;
    }

    /// Holds a fid's object for one request, which has to let it go.
    ///
    /// @throws P9Error EBADF if there is no such fid
    synchronized P9Object hold(int fid) throws P9Error {
        Entry entry = find(fid);
        if (entry == null) {
            throw P9Error.of(Errno.EBADF);
        }
        entry.object.users++;
        if (entry.object instanceof P9Place place) {
            place.recent = true;
        }
        return entry.object;
    }

    /// Ends the hold of one request, and with the last one an object that no fid names.
    void letGo(P9Object object) {
        if (leave(object)) {
            end(object);
        }
    }

    private synchronized boolean leave(P9Object object) {
        object.users--;
        return object.users == 0 && object.fids == 0;
    }

    private void end(P9Object object) {
        if (object instanceof P9Place place) {
            unparked(place);
        }
        object.end();
        if (object instanceof P9Attribute attribute) {
            P9Object file = attribute.file();
            if (file != null) {
                letGo(file);
            }
        }
    }

    /// Gives an object a number. If that fails, the object stays as it was.
    ///
    /// @param root whether it comes from an attach
    /// @throws P9Error EBADF if the number is taken; EMFILE if there are too many; EIO if the share is closed
    synchronized void add(int fid, P9Object object, boolean root) throws P9Error {
        if (closed) {
            throw P9Error.of(Errno.EIO);
        }
        if (find(fid) != null) {
            throw P9Error.of(Errno.EBADF);
        }
        if (count == max) {
            throw P9Error.of(Errno.EMFILE);
        }
        int bucket = bucket(fid);
        buckets[bucket] = new Entry(fid, root, object, buckets[bucket]);
        object.fids++;
        count++;
        roots += root ? 1 : 0;
    }

    /// Puts another object under a number. If that fails, both objects stay as they were.
    ///
    /// @param old the object under that number, held by the caller
    /// @throws P9Error EBADF if another request has changed the number meanwhile
    synchronized void replace(int fid, P9Object old, P9Object object) throws P9Error {
        Entry entry = find(fid);
        if (closed || entry == null || entry.object != old) {
            throw P9Error.of(Errno.EBADF);
        }
        old.fids--;
        object.fids++;
        entry.object = object;
    }

    /// Takes a number away.
    ///
    /// @return its object, held for the caller
    /// @throws P9Error EBADF if there is no such fid
    synchronized P9Object remove(int fid) throws P9Error {
        int bucket = bucket(fid);
        Entry before = null;
        Entry entry = buckets[bucket];
        while (entry != null && entry.fid != fid) {
            before = entry;
            entry = entry.next;
        }
        if (entry == null) {
            throw P9Error.of(Errno.EBADF);
        }
        if (before == null) {
            buckets[bucket] = entry.next;
        } else {
            before.next = entry.next;
        }
        count--;
        roots -= entry.root ? 1 : 0;
        entry.object.fids--;
        entry.object.users++;
        return entry.object;
    }

    /// Whether no fid names an object that the caller has removed.
    synchronized boolean isNameless(P9Object object) {
        return object.fids == 0;
    }

    /// Takes all numbers away. Objects end when the last request lets them go.
    ///
    /// @param forever no number is given any more
    void clear(boolean forever) {
        for (P9Object object : takeAll(forever)) {
            letGo(object);
        }
    }

    private synchronized List<P9Object> takeAll(boolean forever) {
        closed |= forever;
        List<P9Object> all = new ArrayList<>(count);
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            for (Entry entry = buckets[bucket]; entry != null; entry = entry.next) {
                entry.object.fids--;
                entry.object.users++;
                all.add(entry.object);
            }
            buckets[bucket] = null;
        }
        count = 0;
        roots = 0;
        return all;
    }

    /// The objects of all fids, held for the caller; one that several fids name is there as often.
    synchronized List<P9Object> holdAll() {
        List<P9Object> all = new ArrayList<>(count);
        for (Entry bucket : buckets) {
            for (Entry entry = bucket; entry != null; entry = entry.next) {
                entry.object.users++;
                all.add(entry.object);
            }
        }
        return all;
    }

    /// A number with its object.
    record Numbered(int fid, boolean isRoot, P9Object object) {}

    /// All numbers, by value. No request runs, so that none is held.
    synchronized List<Numbered> numbered() {
        List<Numbered> all = new ArrayList<>(count);
        for (Entry bucket : buckets) {
            for (Entry entry = bucket; entry != null; entry = entry.next) {
                all.add(new Numbered(entry.fid, entry.root, entry.object));
            }
        }
        all.sort(Comparator.comparingInt(Numbered::fid));
        return all;
    }

    /// Holds a new object for another one, which lets it go at its end.
    synchronized P9Object keep(P9Object object) {
        object.users++;
        return object;
    }

    /// Ends an object that got no number.
    void drop(P9Object object) {
        end(object);
    }

    /// Fids that the guest holds.
    synchronized int count() {
        return count;
    }

    /// Whether the guest has attached to the share and not let it go.
    synchronized boolean isMounted() {
        return roots > 0;
    }

    /// Takes the descriptor of a place that no request uses.
    ///
    /// @return false if there is none, or none that can be opened again by its path
    boolean parkOne(P9Scratch scratch, int root) {
        for (int attempt = 0; attempt < PARK_ATTEMPTS; attempt++) {
            P9Place place = idle();
            if (place == null) {
                return false;
            }
            boolean parked = park(scratch, root, place);
            letGo(place);
            if (parked) {
                return true;
            }
        }
        return false;
    }

    private boolean park(P9Scratch scratch, int root, P9Place place) {
        long before = renames(place);
        if (before < 0) {
            return false;
        }
        try {
            int length = P9Paths.below(scratch, root, place.descriptor(scratch));
            return length > 0
                    && park(place, scratch.path.asSlice(0, length).toArray(JAVA_BYTE), before);
        } catch (P9Error e) {
            // The file was removed or is out of reach: its descriptor is all there is of it.
            return false;
        }
    }

    /// A place to park, held.
    private synchronized @Nullable P9Place idle() {
        // Two rounds: the first may only clear marks.
        for (int i = 0; i < 2 * BUCKETS; i++) {
            hand = (hand + 1) & (BUCKETS - 1);
            for (Entry entry = buckets[hand]; entry != null; entry = entry.next) {
                if (entry.object instanceof P9Place place
                        && place.users == 0
                        && !place.isParked()) {
                    if (!place.recent) {
                        place.users++;
                        return place;
                    }
                    place.recent = false;
                }
            }
        }
        return null;
    }

    /// The count of renames, or -1 while one is running.
    private synchronized long renames(P9Place place) {
        place.recent = true;
        return renaming > 0 ? -1 : renames;
    }

    private synchronized boolean park(P9Place place, byte[] path, long before) {
        if (renames != before
                || place.users != 1
                || parkedBytes + path.length > P9Limits.PARKED_BYTES) {
            return false;
        }
        place.path = path;
        parkedBytes += path.length;
        parkedPlaces++;
        place.park();
        return true;
    }

    /// A parked place of another process has its path here from now on.
    synchronized void parked(byte[] path) {
        parkedBytes += path.length;
        parkedPlaces++;
    }

    /// A place has its descriptor again, or ends.
    synchronized void unparked(P9Place place) {
        byte[] path = place.path;
        if (path != null) {
            parkedBytes -= path.length;
            parkedPlaces--;
            place.path = null;
        }
    }

    /// A rename begins.
    ///
    /// @return whether there are parked places, whose paths it may change
    synchronized boolean beginRename() {
        renaming++;
        renames++;
        return parkedPlaces > 0;
    }

    /// A rename has ended. Parked places below the old path get the new one.
    ///
    /// @param from the old path below the root; null if nothing was renamed
    /// @param to the new path
    synchronized void endRename(byte @Nullable [] from, byte @Nullable [] to) {
        renaming--;
        renames++;
        if (from == null || to == null) {
            return;
        }
        for (Entry bucket : buckets) {
            for (Entry entry = bucket; entry != null; entry = entry.next) {
                if (entry.object instanceof P9Place place) {
                    byte[] path = place.path;
                    if (path != null && isBelow(path, from)) {
                        byte[] moved = moved(path, from, to);
                        parkedBytes += moved.length - path.length;
                        place.path = moved;
                    }
                }
            }
        }
    }

    private static boolean isBelow(byte[] path, byte[] top) {
        return path.length >= top.length
                && MemorySegment.mismatch(
                                MemorySegment.ofArray(path),
                                0,
                                top.length,
                                MemorySegment.ofArray(top),
                                0,
                                top.length)
                        == -1
                && (path.length == top.length || path[top.length] == '/');
    }

    /// The new path of a parked place; empty, which is no file's, if it is too long to be opened or to be kept. The
    /// caller has the lock.
    private byte[] moved(byte[] path, byte[] from, byte[] to) {
        int longer = to.length - from.length;
        if (path.length + longer > P9Limits.PARKED_PATH
                || parkedBytes + longer > P9Limits.PARKED_BYTES) {
            return new byte[0];
        }
        byte[] moved = new byte[path.length + longer];
        System.arraycopy(to, 0, moved, 0, to.length);
        System.arraycopy(path, from.length, moved, to.length, path.length - from.length);
        return moved;
    }
}
