package io.xenemu.core.xenimage;

import java.util.List;

/// An image of Xen in numbers and names, after it was read and checked to its end.
///
/// @param config the guest's configuration
/// @param xenMajor the release of Xen that saved it
/// @param xenMinor the same
/// @param pages the number of frames that have a page
/// @param apicIdStep the APIC id of each vCPU is its number times this
/// @param records the kinds of records in libxc's image
/// @param bytes of the image
public record XenImageReport(
        XlConfig config,
        int xenMajor,
        int xenMinor,
        long pages,
        int apicIdStep,
        List<RecordCount> records,
        long bytes) {
    public XenImageReport {
        records = List.copyOf(records);
    }

    /// A kind of record.
    ///
    /// @param name that of Xen's specification
    /// @param count how often it occurs
    public record RecordCount(String name, int count) {}
}
