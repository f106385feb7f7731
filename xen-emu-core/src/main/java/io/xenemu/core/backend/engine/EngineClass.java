package io.xenemu.core.backend.engine;

import org.jspecify.annotations.Nullable;

/// The kinds of work that engines do, each for one kind of device.
public enum EngineClass {
    /// Disks.
    BLOCK("block", 0),
    /// Network interfaces.
    NET("net", 1),
    /// Shares of 9pfs.
    NINE_P("9p", 2),
    /// XenStore. Nothing uses these engines yet: XenStore is served on the vCPU that sends the event.
    STORE("store", 3);

    private final String label;
    private final int number;

    EngineClass(String label, int number) {
        this.label = label;
        this.number = number;
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
