package io.xenemu.gnttab;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// A domain's mappings of other domains' grants, by handle (Xen's maptrack). Its lock is a leaf.
///
/// A handle is free, or stands for a mapping, or is taken by the one thread that makes or ends the mapping. To other
/// threads a taken handle looks free.
final class Maptrack {
    /// Handles in one maptrack frame of Xen.
    static final int PER_FRAME = 256;

    /// The answer of [#reserve] if no handle is free.
    static final int NONE = -1;

    private static final byte FREE = 0;
    private static final byte TAKEN = 1;

    /// The next two values are negated while the handle is taken.
    private static final byte MAPPED = 2;

    private static final byte MAPPED_READ_ONLY = 3;

    private final int limit;
    private byte[] states = {};
    private @Nullable Pins[] granters = {};
    private int[] domids = {};

    /// For a mapping its reference; for a free handle the next free one.
    private int[] refs = {};

    private long[] gfns = {};
    private int firstFree = NONE;
    private int mapped;

    /// @param frames the limit in Xen's frames
    Maptrack(int frames) {
        limit = frames * PER_FRAME;
    }

    /// One mapping.
    ///
    /// @param granter the granting domain, which may be gone by now
    /// @param domid its id when the page was mapped
    /// @param ref the reference in its table
    /// @param gfn the guest frame at which the page is mapped
    record Mapping(int handle, Pins granter, int domid, int ref, boolean readOnly, long gfn) {}

    /// Takes a free handle; [#NONE] if there is none.
    synchronized int reserve() {
        if (firstFree == NONE && !grow()) {
            return NONE;
        }
        int handle = firstFree;
        firstFree = refs[handle];
        states[handle] = TAKEN;
        return handle;
    }

    private boolean grow() {
        int old = states.length;
        if (old == limit) {
            return false;
        }
        resize(Math.min(limit, Math.max(PER_FRAME, 2 * old)));
        return true;
    }

    private void resize(int size) {
        int old = states.length;
        states = Arrays.copyOf(states, size);
        granters = Arrays.copyOf(granters, size);
        domids = Arrays.copyOf(domids, size);
        refs = Arrays.copyOf(refs, size);
        gfns = Arrays.copyOf(gfns, size);
        for (int i = size - 1; i >= old; i--) {
            refs[i] = firstFree;
            firstFree = i;
        }
    }

    /// Makes a taken handle a mapping.
    synchronized void set(
            int handle, Pins granter, int domid, int ref, boolean readOnly, long gfn) {
        granters[handle] = granter;
        domids[handle] = domid;
        refs[handle] = ref;
        gfns[handle] = gfn;
        states[handle] = readOnly ? MAPPED_READ_ONLY : MAPPED;
        mapped++;
    }

    /// Takes the handle of a mapping.
    ///
    /// @param handle any 32 bits
    /// @return false if there is no such mapping
    synchronized boolean take(int handle) {
        if (Integer.compareUnsigned(handle, states.length) >= 0 || !isMapped(handle)) {
            return false;
        }
        states[handle] = (byte) -states[handle];
        return true;
    }

    /// Returns a taken handle to the mapping that it was.
    synchronized void keep(int handle) {
        states[handle] = (byte) -states[handle];
    }

    /// Frees a handle that [#reserve] gave out.
    synchronized void cancel(int handle) {
        free(handle);
    }

    /// Frees a handle that [#take] gave out.
    synchronized void end(int handle) {
        free(handle);
        mapped--;
    }

    private void free(int handle) {
        states[handle] = FREE;
        granters[handle] = null;
        refs[handle] = firstFree;
        firstFree = handle;
    }

    /// The granting side of a taken handle's mapping.
    synchronized Pins granter(int handle) {
        Pins granter = granters[handle];
        if (granter == null) {
            throw new IllegalStateException("not a mapping: " + handle);
        }
        return granter;
    }

    /// The reference of a taken handle's mapping.
    synchronized int ref(int handle) {
        return refs[handle];
    }

    /// The guest frame of a taken handle's mapping.
    synchronized long gfn(int handle) {
        return gfns[handle];
    }

    /// Whether a taken handle's mapping is read-only.
    synchronized boolean readOnly(int handle) {
        return Math.abs(states[handle]) == MAPPED_READ_ONLY;
    }

    private boolean isMapped(int handle) {
        return states[handle] >= MAPPED;
    }

    /// The number of mappings.
    synchronized int mapped() {
        return mapped;
    }

    /// The number of handles that exist, free ones included.
    synchronized int size() {
        return states.length;
    }

    /// The mapping of a handle; null if there is none.
    synchronized @Nullable Mapping get(int handle) {
        Pins granter = granters[handle];
        if (granter == null || !isMapped(handle)) {
            return null;
        }
        return new Mapping(
                handle,
                granter,
                domids[handle],
                refs[handle],
                states[handle] == MAPPED_READ_ONLY,
                gfns[handle]);
    }

    /// Makes a given handle a mapping of a restored domain. Call [#restored] before any other method.
    ///
    /// @return false if it is beyond the limit or no longer free
    synchronized boolean restore(Mapping mapping) {
        int handle = mapping.handle();
        if (handle < 0 || handle >= limit) {
            return false;
        }
        if (handle >= states.length) {
            resize(Math.min(limit, Math.ceilDiv(handle + 1, PER_FRAME) * PER_FRAME));
        }
        if (states[handle] != FREE) {
            return false;
        }
        set(
                handle,
                mapping.granter(),
                mapping.domid(),
                mapping.ref(),
                mapping.readOnly(),
                mapping.gfn());
        return true;
    }

    /// Rebuilds the list of free handles after all [#restore] calls.
    synchronized void restored() {
        firstFree = NONE;
        for (int i = states.length - 1; i >= 0; i--) {
            if (states[i] == FREE) {
                refs[i] = firstFree;
                firstFree = i;
            }
        }
    }
}
