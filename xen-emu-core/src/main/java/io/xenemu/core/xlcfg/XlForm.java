package io.xenemu.core.xlcfg;

/// The form of a value that becomes a setting of a guest.
enum XlForm {
    TEXT,
    /// A number, as by strtol(3).
    NUMBER,
    /// A number of vCPUs: less than 1 stands for 1, as in xl.
    COUNT,
    /// A number; all but 0 are true.
    FLAG,
    /// 32 hexadecimal digits, and dashes anywhere.
    UUID,
    /// A list of texts, each a value of the setting.
    TEXTS,
    /// One text or a list of them.
    TEXT_OR_TEXTS,
    /// A number as a flag, or a list of words.
    FLAG_OR_TEXTS
}
