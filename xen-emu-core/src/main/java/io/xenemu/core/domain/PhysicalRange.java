package io.xenemu.core.domain;

import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Guest-physical addresses behind one KVM slot, in which other pages can be shown by MAP_FIXED: KVM sees them at once and
/// has nothing to be told.
///
/// The guest has a mapping of its own, apart from the one through which the service reads a hypercall's arguments: a page of
/// another domain may be read-only, and the service's write to it would be its death.
final class PhysicalRange {
    private static final int PAGE_SIZE = SpecialPages.PAGE_SIZE;

    /// How many mappings more a page may cost that is shown to the guest alone: one becomes three.
    static final int SPLITS = 2;

    private final long start;
    private final MemFd memfd;
    private final long offset;
    private final boolean readOnly;
    private final MemorySegment guestView;
    private final @Nullable MemorySegment serviceView;
    private int shown;

    /// Memory of the domain.
    ///
    /// @param start guest-physical address
    /// @param memfd what is there while nothing is shown in its place
    /// @param offset where in it, bytes
    /// @param guestView what the guest has
    /// @param serviceView the same for the service
    PhysicalRange(
            long start,
            MemFd memfd,
            long offset,
            MemorySegment guestView,
            MemorySegment serviceView) {
        this(start, memfd, offset, false, guestView, serviceView);
    }

    /// A hole, in which the guest has only what is shown.
    ///
    /// @param memfd what the guest reads there otherwise
    PhysicalRange(long start, MemFd memfd, MemorySegment guestView) {
        this(start, memfd, 0, true, guestView, null);
    }

    private PhysicalRange(
            long start,
            MemFd memfd,
            long offset,
            boolean readOnly,
            MemorySegment guestView,
            @Nullable MemorySegment serviceView) {
        this.start = start;
        this.memfd = memfd;
        this.offset = offset;
        this.readOnly = readOnly;
        this.guestView = guestView;
        this.serviceView = serviceView;
    }

    /// The first guest-physical address.
    long start() {
        return start;
    }

    /// The address after the last one.
    long end() {
        return start + guestView.byteSize();
    }

    /// Whether there is nothing but what is shown.
    boolean isHole() {
        return serviceView == null;
    }

    /// Whether this is (a part of) a certain memory.
    boolean isOf(MemFd other) {
        return memfd == other;
    }

    /// The number of a page in the memory that is there.
    long pageNumber(long gpa) {
        return (offset + gpa - start) / PAGE_SIZE;
    }

    /// How many mappings more a page may cost that is shown to all: it splits that of the guest and that of the service.
    int splitsForAll() {
        return serviceView == null ? SPLITS : 2 * SPLITS;
    }

    /// How many pages are shown in place of others.
    int shown() {
        return shown;
    }

    /// The page that the guest has at an address.
    MemorySegment guestPage(long gpa) {
        return guestView.asSlice(gpa - start, PAGE_SIZE);
    }

    /// Shows a page to the guest, and to the service unless this is a hole.
    void showToAll(long gpa, MemFd page, long pageOffset) {
        showToGuest(gpa, page, pageOffset, false);
        if (serviceView != null) {
            page.mapFixed(pageOffset, serviceView.asSlice(gpa - start, PAGE_SIZE));
        }
    }

    /// Shows a page to the guest alone.
    void showToGuest(long gpa, MemFd page, long pageOffset, boolean pageReadOnly) {
        page.mapFixed(pageOffset, guestPage(gpa), pageReadOnly);
        shown++;
    }

    /// Undoes [#showToAll].
    void uncoverForAll(long gpa) {
        uncoverForGuest(gpa);
        if (serviceView != null) {
            MemorySegment under = serviceView.asSlice(gpa - start, PAGE_SIZE);
            memfd.mapFixed(offset + gpa - start, under);
        }
    }

    /// Undoes [#showToGuest].
    void uncoverForGuest(long gpa) {
        memfd.mapFixed(offset + gpa - start, guestPage(gpa), readOnly);
        shown--;
    }
}
