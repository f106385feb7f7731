package io.xenemu.core.backend.net;

import io.xenemu.core.backend.ring.RingLayout;

/// Constants of the network protocol (`xen/include/public/io/netif.h`).
final class Netif {
    /// A ring of what the guest sends: requests of 12 bytes, answers of 4.
    static final RingLayout TX_RING = new RingLayout(12, 4);

    /// A ring of what the guest receives.
    static final RingLayout RX_RING = new RingLayout(8, 8);

    /// The control ring: requests of 16 bytes, answers of 12.
    static final RingLayout CONTROL_RING = new RingLayout(16, 12);

    /// `NETTXF_*`.
    static final int TX_CSUM_BLANK = 1;

    static final int TX_MORE_DATA = 4;
    static final int TX_EXTRA_INFO = 8;

    /// `NETRXF_*`.
    static final int RX_DATA_VALIDATED = 1;

    static final int RX_CSUM_BLANK = 2;
    static final int RX_MORE_DATA = 4;
    static final int RX_EXTRA_INFO = 8;

    /// `XEN_NETIF_EXTRA_TYPE_*`.
    static final int EXTRA_GSO = 1;

    static final int EXTRA_MCAST_ADD = 2;
    static final int EXTRA_MCAST_DEL = 3;
    static final int EXTRA_HASH = 4;
    static final int EXTRA_XDP = 5;

    /// `XEN_NETIF_EXTRA_FLAG_MORE`.
    static final int EXTRA_MORE = 1;

    /// `XEN_NETIF_GSO_TYPE_*`.
    static final int GSO_TCPV4 = 1;

    static final int GSO_TCPV6 = 2;

    /// `NETIF_RSP_*`.
    static final short OKAY = 0;

    static final short NULL = 1;
    static final short ERROR = -1;
    static final short DROPPED = -2;

    /// `XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED`.
    static final int CTRL_NOT_SUPPORTED = 1;

    private Netif() {}
}
