package io.xenemu.it.bench;

import com.google.common.base.Splitter;
import java.util.List;
import java.util.Locale;

/// A measurement of `device-load`, which knows it by its name.
///
/// @param name as the program has it
/// @param kind the device
/// @param unit of the value in the table
/// @param operations of the program's that are one in the table: it counts TCP by KiB
/// @param overPeer the least ratio to the peer's Xen device; to its virtio device where it has no such Xen device
record DeviceCell(String name, Kind kind, Unit unit, int operations, double overPeer) {
    /// The device, and the word of the program for it.
    enum Kind {
        DISK("disk"),
        NET("net"),
        FILES("files");

        private final String word;

        Kind(String word) {
            this.word = word;
        }

        String word() {
            return word;
        }
    }

    /// What a value counts in a second.
    enum Unit {
        OPERATIONS("per s"),
        MEGABYTES("MB/s");

        private final String label;

        Unit(String label) {
            this.label = label;
        }

        String label() {
            return label;
        }
    }

    /// The least ratio to virtio of the same QEMU.
    static final double OVER_VIRTIO = 1.0;

    private static final double OVER_XEN = 1.2;
    private static final double OVER_XEN_TCP_OUT = 3;

    private static final int KIB_PER_MIB = 1024;

    /// The rows of the table. The peer sometimes ends in `tcp-out`, which is the last one of the network therefore.
    static final List<DeviceCell> ALL =
            List.of(
                    disk("randread4k-1", Unit.OPERATIONS),
                    disk("randread4k-8", Unit.OPERATIONS),
                    disk("randread4k-32", Unit.OPERATIONS),
                    disk("randwrite4k-1", Unit.OPERATIONS),
                    disk("randwrite4k-8", Unit.OPERATIONS),
                    disk("randwrite4k-32", Unit.OPERATIONS),
                    disk("seqread1m-4", Unit.MEGABYTES),
                    disk("seqwrite1m-4", Unit.MEGABYTES),
                    disk("write4k-fsync", Unit.OPERATIONS),
                    new DeviceCell("tcp-in", Kind.NET, Unit.MEGABYTES, KIB_PER_MIB, OVER_XEN),
                    new DeviceCell("tcp-rr", Kind.NET, Unit.OPERATIONS, 1, OVER_XEN),
                    new DeviceCell("ping", Kind.NET, Unit.OPERATIONS, 1, OVER_XEN),
                    new DeviceCell(
                            "tcp-out", Kind.NET, Unit.MEGABYTES, KIB_PER_MIB, OVER_XEN_TCP_OUT),
                    files("9p-read4k", Unit.OPERATIONS),
                    files("9p-stat", Unit.OPERATIONS),
                    files("9p-create", Unit.OPERATIONS),
                    files("9p-seqread", Unit.MEGABYTES),
                    files("9p-seqwrite", Unit.MEGABYTES));

    private static DeviceCell disk(String name, Unit unit) {
        return new DeviceCell(name, Kind.DISK, unit, 1, OVER_XEN);
    }

    private static DeviceCell files(String name, Unit unit) {
        return new DeviceCell(name, Kind.FILES, unit, 1, OVER_XEN);
    }

    /// The cells whose name begins with one of some words, or whose kind is one.
    ///
    /// @param words with commas between them
    /// @throws IllegalArgumentException if there is none
    static List<DeviceCell> matching(String words) {
        List<String> all = Splitter.on(',').splitToList(words);
        List<DeviceCell> cells =
                ALL.stream()
                        .filter(cell ->
                                all.stream()
                                        .anyMatch(word ->
                                                cell.name.startsWith(word)
                                                        || cell.kind.word.equals(word)))
                        .toList();
        if (cells.isEmpty()) {
            throw new IllegalArgumentException("no cell begins with " + words);
        }
        return cells;
    }

    /// The names of those cells of a kind that are among some.
    static String names(List<DeviceCell> cells, Kind kind) {
        return String.join(
                " ",
                cells.stream().filter(cell -> cell.kind == kind).map(DeviceCell::name).toList());
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s, %s", name, unit.label);
    }
}
