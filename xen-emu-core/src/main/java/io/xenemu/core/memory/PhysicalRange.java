package io.xenemu.core.memory;

import io.xenemu.core.vm.GuestView;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Guest-physical addresses behind one KVM slot, in which MAP_FIXED can show other pages. KVM shows them at once
/// without being told.
///
/// The guest has its own mapping, separate from the one through which the service reads hypercall arguments. A page
/// of another domain may be read-only, and a write by the service would kill the process.
public final class PhysicalRange {
    /// The additional mappings for a page that is shown only to the guest: one mapping becomes three.
    static final int SPLITS = 2;

    private final long start;
    private final MemFd memfd;
    private final long offset;
    private final boolean readOnly;
    private final long length;
    private final GuestView guestView;
    private final @Nullable MemorySegment serviceView;
    private int shown;

    /// A range of the domain's memory.
    ///
    /// @param start guest-physical address
    /// @param memfd the memory there while no page is shown over it
    /// @param offset in the memory, bytes
    /// @param guestView the guest's mapping
    /// @param serviceView the service's mapping
    PhysicalRange(
            long start, MemFd memfd, long offset, GuestView guestView, MemorySegment serviceView) {
        this(start, guestView.bytes(), memfd, offset, false, guestView, serviceView);
    }

    /// A hole of the domain's memory, in which the guest has only the shown pages.
    ///
    /// @param length in bytes
    /// @param memfd the memory that the guest reads around them
    /// @param guestView the guest's mapping, of that length or longer
    PhysicalRange(long start, long length, MemFd memfd, GuestView guestView) {
        this(start, length, memfd, 0, true, guestView, null);
    }

    private PhysicalRange(
            long start,
            long length,
            MemFd memfd,
            long offset,
            boolean readOnly,
            GuestView guestView,
            @Nullable MemorySegment serviceView) {
        this.start = start;
        this.length = length;
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
        return start + length;
    }

    /// Whether `count` pages from an address on are all within the range.
    boolean contains(long gpa, int count) {
        return gpa >= start && (long) count * GuestMemory.PAGE_SIZE <= end() - gpa;
    }

    /// Whether the range has only shown pages.
    boolean isHole() {
        return serviceView == null;
    }

    /// Whether the range is (a part of) a certain memory.
    boolean isOf(MemFd other) {
        return memfd == other;
    }

    /// The mappings of this process: the guest's, if it is here, and the service's if there is one.
    List<RamView> views() {
        long first = offset / GuestMemory.PAGE_SIZE;
        return Stream.concat(guestView.here().stream(), Stream.ofNullable(serviceView))
                .map(mapping -> new RamView(mapping, first))
                .toList();
    }

    /// The number of a page within the range's memory.
    long pageNumber(long gpa) {
        return (offset + gpa - start) / GuestMemory.PAGE_SIZE;
    }

    /// The additional mappings for a page that is shown to the guest and the service: it splits the mappings of both,
    /// and in a hole only the guest's.
    int splitsForAll() {
        return serviceView == null ? SPLITS : 2 * SPLITS;
    }

    /// The number of pages shown over others.
    int shown() {
        return shown;
    }

    /// The page that the guest sees at an address, in this process.
    MemorySegment guestPage(long gpa) {
        return guestView.here().orElseThrow().asSlice(gpa - start, GuestMemory.PAGE_SIZE);
    }

    /// Shows a page to the guest, and to the service unless this is a hole.
    void showToAll(long gpa, MemFd page, long pageOffset) {
        showToGuest(gpa, 1, page, pageOffset, false);
        if (serviceView != null) {
            page.mapFixed(pageOffset, serviceView.asSlice(gpa - start, GuestMemory.PAGE_SIZE));
        }
    }

    /// Shows pages that follow one another in a memory only to the guest, by one system call.
    void showToGuest(long gpa, int count, MemFd pages, long pageOffset, boolean pageReadOnly) {
        guestView.show(
                gpa - start, (long) count * GuestMemory.PAGE_SIZE, pages, pageOffset, pageReadOnly);
        shown += count;
    }

    /// Undoes [#showToAll].
    void uncoverForAll(long gpa) {
        uncoverForGuest(gpa, 1);
        if (serviceView != null) {
            MemorySegment under = serviceView.asSlice(gpa - start, GuestMemory.PAGE_SIZE);
            memfd.mapBack(offset + gpa - start, under, false);
        }
    }

    /// Undoes [#showToGuest] for shown pages, which need not have come together. This is one system call.
    void uncoverForGuest(long gpa, int count) {
        long at = gpa - start;
        guestView.showAgain(at, (long) count * GuestMemory.PAGE_SIZE, memfd, offset + at, readOnly);
        shown -= count;
    }
}
