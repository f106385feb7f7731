package io.xenemu.core.lab;

import java.util.List;

/// How many CPUs the lab machine has, and how QEMU emulates them.
public enum LabCpus {
    /// One CPU, for whatever has to be right each time. With two, QEMU 10.0.2, about one in three guests that printed much
    /// died: of a triple fault at the first instruction after VMRUN, or of an interrupt that was delivered while it had them
    /// disabled, as if its nested SVM injected an event a second time. With one, none did. The cause is a guess; that the
    /// number of CPUs matters was seen.
    ONE("tcg,thread=single") {
        @Override
        int count() {
            return 1;
        }
    },

    /// As many as the host has, 2 to 4, each on a thread of the host, for measurements: a peer that hands work to another
    /// thread must not be punished for it.
    PARALLEL("tcg,thread=multi") {
        @Override
        int count() {
            return Math.clamp(Runtime.getRuntime().availableProcessors(), 2, 4);
        }
    };

    private final String accelerator;

    LabCpus(String accelerator) {
        this.accelerator = accelerator;
    }

    abstract int count();

    /// QEMU's options.
    List<String> options() {
        return List.of("-accel", accelerator, "-smp", Integer.toString(count()));
    }
}
