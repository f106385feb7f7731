package io.xenemu.core.backend.net;

import java.util.Locale;

/// The reason why a frame went no further; a metric's tag.
enum DropReason {
    /// Slots of more than the protocol's 18 for one frame.
    SLOTS,
    /// Sizes that do not add up, that leave a page, or a frame without an Ethernet header.
    SIZE,
    /// A page that the guest does not grant.
    GRANT,
    /// Extra information of an unknown type.
    EXTRA,
    /// A checksum left to the back end in a frame that is not TCP or UDP over IP, or is a fragment.
    CHECKSUM,
    /// Segmentation left to the back end with a size of zero, or in a frame that is not TCP.
    SEGMENTATION,
    /// The host's interface took or gave no frame: it is down or gone, or the host has no memory.
    HOST,
    /// The guest has posted too few pages for 10 s.
    NO_BUFFERS,
    /// Larger than the guest can receive, or with work left that the guest has not agreed to do.
    UNWANTED,
    /// A multicast address that the guest has not asked for.
    FILTER;

    /// The tag's value.
    String tag() {
        return name().toLowerCase(Locale.ROOT);
    }
}
