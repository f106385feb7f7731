package io.xenemu.core.cpuid;

/// How a guest gets its time stamp counter: xl's `tsc_mode`.
///
/// KVM never intercepts RDTSC. It runs natively in either mode, at the host's frequency on a new guest. So a mode that
/// emulates each RDTSC cannot be had, and the modes differ only in what the guest is told.
public enum TscMode {
    /// `XEN_CPUID_TSC_MODE_DEFAULT`: Linux takes Xen's clock.
    DEFAULT(0, "default"),
    /// `XEN_CPUID_TSC_MODE_NEVER_EMULATE`: Linux takes the counter itself if CPUID calls it invariant.
    NATIVE(2, "native");

    /// The words, for help.
    public static final String WORDS = "default|native";

    private final int number;
    private final String word;

    TscMode(int number, String word) {
        this.number = number;
        this.word = word;
    }

    /// `XEN_CPUID_TSC_MODE_*`.
    public int number() {
        return number;
    }

    /// xl's word.
    public String word() {
        return word;
    }

    /// The mode of a number that [#number] gives.
    ///
    /// @throws IllegalArgumentException if there is none
    public static TscMode numbered(int number) {
        for (TscMode mode : values()) {
            if (mode.number == number) {
                return mode;
            }
        }
        throw new IllegalArgumentException("no TSC mode " + number);
    }

    /// Reads xl's word, or its number.
    ///
    /// @throws IllegalArgumentException if it is none, or KVM cannot do it; the message says why
    public static TscMode parse(String text) {
        return switch (text) {
            case "default", "0" -> DEFAULT;
            case "native", "2" -> NATIVE;
            case "always_emulate", "1" ->
                    throw new IllegalArgumentException(
                            "'" + text + "' cannot be had: KVM does not intercept RDTSC");
            case "native_paravirt", "3" ->
                    throw new IllegalArgumentException("'" + text + "' is no longer in Xen");
            default -> throw new IllegalArgumentException("'" + text + "' is not " + WORDS);
        };
    }
}
