package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.XenError;

/// Thrown when a request is refused. The reason is for the operator.
public final class Refused extends Exception {
    private static final long serialVersionUID = 1;

    /// The kinds of refusal that a program may want to tell apart.
    public enum Kind {
        /// The request cannot be carried out.
        REFUSED,
        /// The request names a domain that does not exist.
        NO_SUCH_DOMAIN,
        /// The service has no such command, or its arguments do not fit.
        NOT_A_COMMAND,
        /// The request does not follow the protocol.
        MALFORMED,
        /// The client may not use the service.
        DENIED,
        /// The service serves as many clients as it can.
        BUSY,
        /// The service ends.
        ENDING
    }

    private final Kind kind;
    private final String reason;

    /// @param reason one line
    public Refused(String reason) {
        this(Kind.REFUSED, reason);
    }

    /// @param reason one line
    public Refused(Kind kind, String reason) {
        super(reason, null, false, false);
        this.kind = kind;
        this.reason = reason;
    }

    /// No domain has this name or id.
    public static Refused noSuchDomain(String name) {
        return new Refused(Kind.NO_SUCH_DOMAIN, "no such domain: " + name);
    }

    /// XenStore refuses a change that the request needs.
    ///
    /// @param error the error that XenStore answers
    public static Refused byXenStore(XenError error) {
        return new Refused("XenStore refuses: " + error.symbol());
    }

    /// XenStore refuses a change of a domain's nodes. If it has none, the domain is not in XenStore yet, or not any
    /// more.
    ///
    /// @param domain its name
    /// @param error the error that XenStore answers
    public static Refused byXenStore(String domain, XenError error) {
        return error == XenError.ENOENT
                ? new Refused(domain + " is starting or ending")
                : byXenStore(error);
    }

    /// The service takes no more requests.
    public static Refused serviceEnds() {
        return new Refused(Kind.ENDING, "the service ends");
    }

    /// The kind of the refusal.
    public Kind kind() {
        return kind;
    }

    /// The reason, one line.
    public String reason() {
        return reason;
    }
}
