package io.xenemu.core.xlcfg;

/// The use of a key of xl.cfg(5) here.
public enum XlUse {
    /// It is a setting of the guest (`GuestSetting`) with xl's meaning.
    SETTING("used"),
    /// It is a setting that xl does not have.
    OWN("used, not xl's"),
    /// It counts together with other keys, to say what the guest starts with.
    START("used"),
    /// Only some values can be had: those that describe what is there anyway.
    FIXED("one value"),
    /// It has no effect, as in xl, without a word.
    SILENT("ignored"),
    /// It has no effect, and a warning names it.
    IGNORED("ignored, with a warning"),
    /// xl reads it for `type="hvm"` alone, where it has no effect here, and a warning names it.
    HVM_ONLY("ignored; for hvm with a warning"),
    /// It is a setting of the device model, which a guest of `type="hvm"` without a kernel has. xl ignores it for other
    /// types.
    HVM("used for hvm"),
    /// It is something of a device model that cannot be had. xl ignores it for other types.
    DEVICE_MODEL("refused for hvm"),
    /// It is refused, unless its value turns it off.
    REFUSED("refused");

    private final String word;

    XlUse(String word) {
        this.word = word;
    }

    /// The word for it in the documents.
    public String word() {
        return word;
    }
}
