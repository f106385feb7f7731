package io.xenemu.core.toolstack;

import com.google.common.primitives.Ints;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Names of virtual disks, and their numbers (Xen's `docs/man/xen-vbd-interface`).
public final class VirtualDisk {
    private static final Pattern NUMBER = Pattern.compile("0[xX][0-9a-fA-F]+|[0-9]+");

    private static final Pattern LETTERS = Pattern.compile("(xvd|hd|sd)([a-z]+)(|[1-9][0-9]*)");

    private static final Pattern INDEX =
            Pattern.compile("d(" + NUMBER.pattern() + ")p(" + NUMBER.pattern() + ")");

    private static final int XVD_MAJOR = 202;
    private static final int FIRST_IDE_MAJOR = 3;
    private static final int SECOND_IDE_MAJOR = 22;
    private static final int SCSI_MAJOR = 8;
    private static final int MAJOR_SHIFT = 8;
    private static final int DISK_SHIFT = 4;
    private static final int IDE_DISK_SHIFT = 6;

    /// Marks a number in the extended form, which has room for more disks and partitions than a Linux device number.
    private static final int EXTENDED = 1 << 28;

    private static final int EXTENDED_DISK_SHIFT = 8;
    private static final int MAX_DISK = (1 << 20) - 1;
    private static final int MAX_PARTITION = 255;

    /// The highest disk and partition that a plain number has room for.
    private static final int PLAIN_MAX = 15;

    private static final int IDE_MAX_DISK = 3;
    private static final int IDE_MAX_PARTITION = 63;

    private VirtualDisk() {}

    /// The number of a disk or partition: `xvda`, `xvda1`, `hdc`, `sdb2`, `d5p0`, or the number itself.
    ///
    /// @return empty if it is not one
    static OptionalInt number(String name) {
        Matcher index = INDEX.matcher(name);
        if (index.matches()) {
            return xvd(integer(index.group(1)), integer(index.group(2)));
        }
        Matcher letters = LETTERS.matcher(name);
        if (!letters.matches()) {
            int number = NUMBER.matcher(name).matches() ? integer(name) : -1;
            return number < 0 ? OptionalInt.empty() : OptionalInt.of(number);
        }
        int disk = disk(letters.group(2));
        int partition = letters.group(3).isEmpty() ? 0 : integer(letters.group(3));
        return switch (letters.group(1)) {
            case "xvd" -> xvd(disk, partition);
            case "hd" -> ide(disk, partition);
            default -> scsi(disk, partition);
        };
    }

    /// Where an emulated disk with this number is, as libxl has it: 0 for `xvda` and `hda`.
    ///
    /// @return empty for a partition, and for a disk that is not emulated
    public static OptionalInt emulated(int number) {
        int low = number & ((1 << MAJOR_SHIFT) - 1);
        return switch (number >> MAJOR_SHIFT) {
            case XVD_MAJOR -> whole(low, DISK_SHIFT, 0);
            case FIRST_IDE_MAJOR -> whole(low, IDE_DISK_SHIFT, 0);
            case SECOND_IDE_MAJOR -> whole(low, IDE_DISK_SHIFT, 2);
            default -> OptionalInt.empty();
        };
    }

    private static OptionalInt whole(int low, int shift, int first) {
        int disk = low >> shift;
        return disk << shift == low ? OptionalInt.of(first + disk) : OptionalInt.empty();
    }

    private static OptionalInt xvd(int disk, int partition) {
        if (outside(disk, MAX_DISK) || outside(partition, MAX_PARTITION)) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(
                disk <= PLAIN_MAX && partition <= PLAIN_MAX
                        ? (XVD_MAJOR << MAJOR_SHIFT) | (disk << DISK_SHIFT) | partition
                        : EXTENDED | (disk << EXTENDED_DISK_SHIFT) | partition);
    }

    private static OptionalInt ide(int disk, int partition) {
        if (outside(disk, IDE_MAX_DISK) || outside(partition, IDE_MAX_PARTITION)) {
            return OptionalInt.empty();
        }
        int major = disk < 2 ? FIRST_IDE_MAJOR : SECOND_IDE_MAJOR;
        return OptionalInt.of((major << MAJOR_SHIFT) | ((disk & 1) << IDE_DISK_SHIFT) | partition);
    }

    private static OptionalInt scsi(int disk, int partition) {
        if (outside(disk, PLAIN_MAX) || outside(partition, PLAIN_MAX)) {
            return OptionalInt.empty();
        }
        return OptionalInt.of((SCSI_MAJOR << MAJOR_SHIFT) | (disk << DISK_SHIFT) | partition);
    }

    private static boolean outside(int value, int max) {
        return value < 0 || value > max;
    }

    /// `a` is 0, `z` 25, `aa` 26.
    private static int disk(String letters) {
        int disk = -1;
        for (int i = 0; i < letters.length() && disk <= MAX_DISK; i++) {
            disk = (disk + 1) * 26 + letters.charAt(i) - 'a';
        }
        return disk;
    }

    /// Parses a number as C does: hexadecimal after `0x`, octal after `0`.
    ///
    /// @return -1 if it is too large for an `int`, or has digits that are not octal
    private static int integer(String digits) {
        Integer value;
        if (digits.startsWith("0x") || digits.startsWith("0X")) {
            value = Ints.tryParse(digits.substring(2), 16);
        } else {
            value = Ints.tryParse(digits, digits.startsWith("0") ? 8 : 10);
        }
        return value == null ? -1 : value;
    }
}
