package io.xenemu.evtchn;

import io.xenemu.evtchn.ModelRun.Kind;
import io.xenemu.evtchn.ModelRun.Step;
import io.xenemu.kvm.abi.GuestWidth;
import java.lang.foreign.Arena;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/// Random operations of two guests and the service, against [ModelDomain]. After each step the ports, the guests'
/// memory and the kernels' tables are as the model has them.
final class EventChannelsPropertyTest {
    private static Arbitrary<List<Step>> steps(Arbitrary<Kind> kinds, Arbitrary<Boolean> second) {
        return Combinators.combine(
                        kinds,
                        second,
                        Arbitraries.integers().between(-1, 12),
                        Arbitraries.integers().between(-1, 12))
                .as(Step::new)
                .list()
                .ofMinSize(1)
                .ofMaxSize(120);
    }

    @Provide
    Arbitrary<List<Step>> everything() {
        return steps(
                Arbitraries.frequency(
                        Tuple.of(20, Kind.ALLOC_UNBOUND),
                        Tuple.of(20, Kind.BIND_INTERDOMAIN),
                        Tuple.of(20, Kind.CONNECT),
                        Tuple.of(8, Kind.BIND_VIRQ),
                        Tuple.of(8, Kind.BIND_IPI),
                        Tuple.of(6, Kind.BIND_PIRQ),
                        Tuple.of(12, Kind.CLOSE),
                        Tuple.of(20, Kind.SEND),
                        Tuple.of(8, Kind.BIND_VCPU),
                        Tuple.of(8, Kind.UNMASK),
                        Tuple.of(4, Kind.SET_PRIORITY),
                        Tuple.of(1, Kind.RESET),
                        Tuple.of(2, Kind.START_FIFO),
                        Tuple.of(5, Kind.RAISE_VIRQ),
                        Tuple.of(5, Kind.RAISE_MSI),
                        Tuple.of(8, Kind.GUEST_MASKS),
                        Tuple.of(8, Kind.GUEST_CONSUMES),
                        Tuple.of(15, Kind.SERVICE_BINDS),
                        Tuple.of(10, Kind.SERVICE_NOTIFIES),
                        Tuple.of(5, Kind.SERVICE_CLOSES)),
                Arbitraries.of(true, false));
    }

    @Property(tries = 400)
    void agreesWithTheModel(
            @ForAll("everything") List<Step> steps,
            @ForAll GuestWidth width,
            @ForAll boolean fifoAtOnce) {
        run(steps, width, fifoAtOnce);
    }

    /// One guest on its own, since the other ends of its channels would not be restored with it.
    @Provide
    Arbitrary<List<Step>> alone() {
        return steps(
                Arbitraries.frequency(
                        Tuple.of(10, Kind.ALLOC_UNBOUND_SELF),
                        Tuple.of(10, Kind.BIND_LOOPBACK),
                        Tuple.of(4, Kind.BIND_VIRQ),
                        Tuple.of(8, Kind.BIND_IPI),
                        Tuple.of(4, Kind.BIND_PIRQ),
                        Tuple.of(4, Kind.CLOSE),
                        Tuple.of(25, Kind.SEND),
                        Tuple.of(5, Kind.BIND_VCPU),
                        Tuple.of(8, Kind.UNMASK),
                        Tuple.of(4, Kind.SET_PRIORITY),
                        Tuple.of(5, Kind.RAISE_VIRQ),
                        Tuple.of(5, Kind.RAISE_MSI),
                        Tuple.of(6, Kind.GUEST_MASKS),
                        Tuple.of(15, Kind.GUEST_CONSUMES),
                        Tuple.of(8, Kind.SAVE_AND_RESTORE)),
                Arbitraries.just(false));
    }

    @Property(tries = 300)
    void savingAndRestoringLosesAndInventsNoEvent(
            @ForAll("alone") List<Step> steps, @ForAll GuestWidth width, @ForAll boolean fifo) {
        run(steps, width, fifo);
    }

    private static void run(List<Step> steps, GuestWidth width, boolean fifo) {
        try (Arena arena = Arena.ofConfined()) {
            ModelRun run = new ModelRun(arena, width);
            if (fifo) {
                run.apply(new Step(Kind.START_FIFO, false, 0, 0));
            }
            for (Step step : steps) {
                run.apply(step);
            }
        }
    }
}
