package io.xenemu.xenstore.wire;

/// The bits of the field `server_features` in a ring's page, and of GET_FEATURE and SET_FEATURE
/// (`XENSTORE_SERVER_FEATURE_*` in `xen/io/xs_wire.h`).
public final class Features {
    /// The guest may ask for a reconnection.
    public static final int RECONNECTION = 1;

    /// The server says in the page why it has stopped.
    public static final int ERROR = 2;

    /// WATCH accepts a depth, and there are special watches of one domain.
    public static final int WATCH_DEPTH = 4;

    /// A permission may name all domains, [io.xenemu.xenstore.tree.Permissions#ANY_DOMAIN].
    public static final int ANY_DOMAIN = 8;

    /// The features of this server, and of a domain's ring unless set otherwise.
    public static final int ALL = RECONNECTION | ERROR | WATCH_DEPTH | ANY_DOMAIN;

    private Features() {}
}
