package io.xenemu.core.toolstack;

/// How a share keeps owners, permissions and types of the guest's files (`security_model` of xl.cfg(5) and of QEMU's
/// `-fsdev local`).
public enum P9SecurityModel {
    /// Files have the guest's owners and permissions as far as the host lets the service give them.
    NONE("none"),
    /// Files are the service's own, and the guest's owners, permissions and types are in their extended attributes
    /// `user.virtfs.*`, as with QEMU's `mapped-xattr`.
    MAPPED("mapped"),
    /// As [#NONE], but a request fails if the host does not let the service give the owner or permissions.
    PASSTHROUGH("passthrough");

    private final String word;

    P9SecurityModel(String word) {
        this.word = word;
    }

    /// Its name in a specification and in XenStore.
    public String word() {
        return word;
    }

    /// The model of a word.
    ///
    /// @throws Refused if there is none
    static P9SecurityModel parse(String text) throws Refused {
        return switch (text) {
            case "none" -> NONE;
            case "mapped", "mapped-xattr" -> MAPPED;
            case "passthrough" -> PASSTHROUGH;
            default ->
                    throw new Refused(
                            "wrong security_model: %s: none, mapped and passthrough are possible"
                                    .formatted(text));
        };
    }
}
