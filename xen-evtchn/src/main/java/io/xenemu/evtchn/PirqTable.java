package io.xenemu.evtchn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;

/// The sources and ports of one domain's PIRQs. Reading takes no lock; a change requires the binding lock.
final class PirqTable {
    /// GSIs below this are ISA interrupts, edge-triggered; [#next] gives out no PIRQ below this (`NR_ISA_IRQS`).
    static final int ISA_IRQS = 16;

    /// `MAP_PIRQ_TYPE_GSI`; for any other type, PIRQs are given out as for messages.
    static final int TYPE_GSI = 1;

    /// Sources of a PIRQ that is not a GSI; a GSI is represented by its number.
    static final int FREE = -1;

    static final int ALLOCATED = -2;
    static final int MSI = -3;

    private final AtomicIntegerArray sources;
    private final AtomicIntegerArray ports;

    /// The PIRQ of each GSI, or [#FREE].
    private final AtomicIntegerArray pirqOfGsi = filled(Pirqs.GSIS);

    PirqTable(int count) {
        sources = filled(count);
        ports = new AtomicIntegerArray(count);
    }

    private static AtomicIntegerArray filled(int length) {
        int[] values = new int[length];
        Arrays.fill(values, FREE);
        return new AtomicIntegerArray(values);
    }

    int count() {
        return sources.length();
    }

    boolean exists(int pirq) {
        return Integer.compareUnsigned(pirq, sources.length()) < 0;
    }

    /// The source of an existing PIRQ: its GSI, or one of the constants above.
    int source(int pirq) {
        return sources.get(pirq);
    }

    EvtchnPort port(int pirq) {
        return EvtchnPort.of(ports.get(pirq));
    }

    /// The PIRQ of a GSI, or [#FREE].
    int pirqOfGsi(int gsi) {
        return pirqOfGsi.get(gsi);
    }

    void source(int pirq, int source) {
        int old = sources.get(pirq);
        if (old >= 0) {
            pirqOfGsi.set(old, FREE);
        }
        sources.set(pirq, source);
        if (source >= 0) {
            pirqOfGsi.set(source, pirq);
        }
    }

    /// @param port the PIRQ's port, or [EvtchnPort#NONE]
    void port(int pirq, EvtchnPort port) {
        ports.set(pirq, port.value());
    }

    /// The next PIRQ to give out, or [#FREE]: for a GSI the lowest below [Pirqs#GSIS]; else, or if none is free
    /// there, the highest.
    int next(int type) {
        for (int i = ISA_IRQS; type == TYPE_GSI && i < Pirqs.GSIS; i++) {
            if (sources.get(i) == FREE) {
                return i;
            }
        }
        for (int i = sources.length() - 1; i >= Pirqs.GSIS; i--) {
            if (sources.get(i) == FREE) {
                return i;
            }
        }
        return FREE;
    }

    List<PirqsState.Source> save() {
        List<PirqsState.Source> saved = new ArrayList<>();
        for (int i = 0; i < sources.length(); i++) {
            int source = sources.get(i);
            switch (source) {
                case FREE -> {}
                case ALLOCATED -> saved.add(new PirqsState.Source(i, PirqsState.Kind.ALLOCATED, 0));
                case MSI -> saved.add(new PirqsState.Source(i, PirqsState.Kind.MSI, 0));
                default -> saved.add(new PirqsState.Source(i, PirqsState.Kind.GSI, source));
            }
        }
        return saved;
    }

    /// Fills a new table.
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    void load(List<PirqsState.Source> saved) {
        for (PirqsState.Source source : saved) {
            int pirq = source.pirq();
            Snapshot.require(exists(pirq) && sources.get(pirq) == FREE, source);
            switch (source.kind()) {
                case ALLOCATED -> source(pirq, ALLOCATED);
                case MSI -> source(pirq, MSI);
                case GSI -> {
                    int gsi = source.gsi();
                    boolean exists = gsi >= 0 && gsi < Pirqs.GSIS;
                    Snapshot.require(exists && pirqOfGsi(gsi) == FREE, source);
                    source(pirq, gsi);
                }
            }
        }
    }
}
