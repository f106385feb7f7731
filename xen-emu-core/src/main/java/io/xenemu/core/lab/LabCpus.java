package io.xenemu.core.lab;

import java.util.List;

/// How many CPUs the lab machine has, and how QEMU emulates them.
public enum LabCpus {
    /// One CPU, for whatever has to be right each time. With several, QEMU 10 now and then injects an interrupt into a nested
    /// guest twice (seen as an interrupt in a guest that has them disabled, or as its triple fault): when one CPU makes
    /// another look up between VMRUN with an event and the guest's next exit, the event that is delivered already is
    /// delivered again. About one boot in three of those that print much did not survive two CPUs.
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
