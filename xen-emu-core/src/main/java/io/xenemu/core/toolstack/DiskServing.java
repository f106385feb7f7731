package io.xenemu.core.toolstack;

/// What the service does for a disk that it serves itself. xl has none of these words.
///
/// @param rates the limits that it keeps
/// @param sectorBytes the sector that the guest is shown: 512, 4096, or [#ANY_SECTOR]
/// @param aio how the bytes of a raw image or a block device are moved
/// @param keyFile path of the file whose content is the image's secret; empty for none
public record DiskServing(DiskRates rates, int sectorBytes, DiskAio aio, String keyFile) {
    /// The sector is the image's own: 512 bytes, or more for a device or server that has no smaller ones.
    public static final int ANY_SECTOR = 0;

    /// The larger of the two sectors that disks have.
    public static final int LARGE_SECTOR = 4096;

    private static final int SMALL_SECTOR = 512;

    /// Nothing is asked for.
    public static final DiskServing DEFAULT =
            new DiskServing(DiskRates.UNLIMITED, ANY_SECTOR, DiskAio.AUTO, "");

    /// Parses `sector-size=`.
    static int sector(String value) throws Refused {
        return switch (value) {
            case "512" -> SMALL_SECTOR;
            case "4096" -> LARGE_SECTOR;
            default -> throw new Refused("sector-size=" + value + ": not 512 or 4096");
        };
    }
}
