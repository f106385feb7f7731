package io.xenemu.core.backend.engine;

import org.jspecify.annotations.Nullable;

/// The kinds of work that engines do, each for one kind of device.
public enum EngineClass {
    /// Disks.
    BLOCK("block", 0, "vbd"),
    /// Network interfaces.
    NET("net", 1, "vif"),
    /// Shares of 9pfs.
    NINE_P("9p", 2, "9pfs"),
    /// XenStore. Nothing uses these engines yet: XenStore is served on the vCPU that sends the event.
    STORE("store", 3, ""),
    /// Further consoles and channels.
    CONSOLE("console", 4, "console");

    private final String label;
    private final int number;
    private final String kind;

    /// @param kind of device in XenStore's paths; empty for none
    EngineClass(String label, int number, String kind) {
        this.label = label;
        this.number = number;
        this.kind = kind;
    }

    /// Its name in text and in metrics.
    public String label() {
        return label;
    }

    /// Its number in [EngineMapLayout], which never changes.
    public int number() {
        return number;
    }

    /// The class of this name, or null.
    public static @Nullable EngineClass labelled(String label) {
        for (EngineClass type : values()) {
            if (type.label.equals(label)) {
                return type;
            }
        }
        return null;
    }

    /// The class that serves devices of a kind, or null: those have threads of their own.
    ///
    /// @param kind its name in XenStore's paths, such as `vbd`
    public static @Nullable EngineClass serving(String kind) {
        for (EngineClass type : values()) {
            if (type.kind.equals(kind)) {
                return type;
            }
        }
        return null;
    }

    /// The class of this number, or null.
    public static @Nullable EngineClass numbered(int number) {
        for (EngineClass type : values()) {
            if (type.number == number) {
                return type;
            }
        }
        return null;
    }
}
