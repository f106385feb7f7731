package io.xenemu.core.lab;

import java.util.List;

/// The number of CPUs of the lab machine, and QEMU's way to emulate them.
public enum LabCpus {
    /// One CPU, for correctness. With two (QEMU 10.0.2), about one in three guests that printed much died. The cause
    /// was a triple fault at the first instruction after VMRUN, or an interrupt that was delivered while the guest had
    /// them disabled. It looked as if nested SVM injected an event a second time. With one, none died. The cause is a
    /// guess; the effect of the number of CPUs was measured.
    ONE("tcg,thread=single") {
        @Override
        int count() {
            return 1;
        }
    },

    /// As many CPUs as the host has, 2 to 4, each on a thread of the host. For measurements: a peer that passes work to
    /// another thread must not be punished for it.
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
