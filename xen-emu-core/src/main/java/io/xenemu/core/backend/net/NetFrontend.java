package io.xenemu.core.backend.net;

import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.kvm.abi.XenError;

/// What a front end's nodes say of the frames that it receives, and of its filter.
///
/// @param features of frames that it receives
/// @param filters whether it wants only the multicast frames that it asks for
record NetFrontend(RxFeatures features, boolean filters) {
    private static final String HEADROOM = "xdp-headroom";

    /// Reads and checks the nodes.
    ///
    /// @throws FrontendError `EOPNOTSUPP` it wants its pages exchanged instead of filled; `EINVAL` a wrong number
    static NetFrontend of(FrontendNodes nodes) throws FrontendError {
        if (!nodes.flag("request-rx-copy")) {
            throw new FrontendError(
                    XenError.EOPNOTSUPP, "request-rx-copy is not 1: only copies are supported");
        }
        boolean scatter = nodes.flag("feature-sg");
        // A tap leaves out the checksums of both versions of IP or of none.
        boolean checksum =
                !nodes.flag("feature-no-csum-offload") && nodes.flag("feature-ipv6-csum-offload");
        boolean segments = scatter && checksum;
        return new NetFrontend(
                new RxFeatures(
                        scatter,
                        checksum,
                        segments && nodes.flag("feature-gso-tcpv4"),
                        segments && nodes.flag("feature-gso-tcpv6"),
                        nodes.flag("feature-rx-notify"),
                        headroom(nodes)),
                nodes.flag("request-multicast-control"));
    }

    /// The bytes to leave free in each page.
    ///
    /// @throws FrontendError `EINVAL` too many
    static int headroom(FrontendNodes nodes) throws FrontendError {
        return nodes.number(HEADROOM, 0, RxFeatures.MAX_HEADROOM, 0);
    }
}
