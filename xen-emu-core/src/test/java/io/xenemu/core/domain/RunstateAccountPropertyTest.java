package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.vm.FakeVcpu;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Whatever a vCPU has done, each nanosecond is in the account of the runstate that it has on Xen, and no time goes
/// back.
final class RunstateAccountPropertyTest {
    private static final long RFLAGS_IF = 1 << 9;

    enum Kind {
        RUNS,
        WAITS_FOR_A_CPU,
        HALTS,
        WAITS_IN_THE_SERVICE,
        IS_HELD,
        IS_HELD_WHILE_HALTED,
        IS_DOWN,
        HALTS_FOR_GOOD,
        IS_ASKED,
        CALLS,
        IS_SAVED_AND_RESTORED
    }

    record Step(Kind kind, int nanos) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        Arbitraries.of(Kind.class), Arbitraries.integers().between(1, 1_000_000))
                .as(Step::new)
                .list()
                .ofMaxSize(50);
    }

    /// A vCPU in virtual time, and what its account has to be.
    private static final class Model {
        private static final long BEFORE_THE_START = 1000;

        private final long[] expected = new long[4];
        private long now = BEFORE_THE_START;
        private FakeVcpu vcpu = newVcpu();
        private RunstateAccount account = new RunstateAccount(vcpu, true, () -> now);
        private Runstate last = Runstate.NONE;

        Model() {
            expected[Runstate.OFFLINE] = BEFORE_THE_START;
            assertAccount(account.correct(false), Runstate.OFFLINE);
            start();
        }

        private FakeVcpu newVcpu() {
            return new FakeVm(() -> now).createVcpu(new VcpuId(0));
        }

        private void start() {
            account.begin();
            vcpu.enter();
        }

        private void pass(int state, long nanos) {
            now += nanos;
            expected[state] += nanos;
        }

        private void wake() {
            vcpu.setMpState(MpState.RUNNABLE);
            vcpu.enter();
        }

        void take(Step step) {
            int nanos = step.nanos;
            switch (step.kind) {
                case RUNS -> {
                    pass(Runstate.RUNNING, nanos);
                    vcpu.pass(nanos, 0);
                }
                case WAITS_FOR_A_CPU -> {
                    pass(Runstate.RUNNABLE, nanos);
                    vcpu.pass(0, nanos);
                }
                case HALTS -> {
                    pass(Runstate.BLOCKED, nanos);
                    vcpu.enter();
                }
                case WAITS_IN_THE_SERVICE -> pass(Runstate.BLOCKED, nanos);
                case IS_HELD -> {
                    account.stand(true);
                    pass(Runstate.OFFLINE, nanos);
                    assertAccount(account.correct(false), Runstate.OFFLINE);
                    account.goOn();
                    vcpu.enter();
                }
                case IS_HELD_WHILE_HALTED -> {
                    halt(RFLAGS_IF);
                    pass(Runstate.BLOCKED, nanos);
                    account.stand(true);
                    pass(Runstate.BLOCKED, nanos);
                    account.goOn();
                    pass(Runstate.BLOCKED, nanos);
                    assertAccount(account.correct(false), Runstate.BLOCKED);
                    wake();
                }
                case IS_DOWN -> {
                    vcpu.setMpState(MpState.UNINITIALIZED);
                    account.stand(false);
                    pass(Runstate.OFFLINE, nanos);
                    assertAccount(account.correct(false), Runstate.OFFLINE);
                    wake();
                }
                case HALTS_FOR_GOOD -> {
                    halt(0);
                    // Nobody knows of it before the vCPU is asked.
                    pass(Runstate.BLOCKED, nanos);
                    assertAccount(account.correct(false), Runstate.OFFLINE);
                    pass(Runstate.OFFLINE, nanos);
                    wake();
                }
                case IS_ASKED -> assertAccount(account.correct(false), Runstate.RUNNING);
                case CALLS -> assertAccount(account.correct(true), Runstate.RUNNING);
                case IS_SAVED_AND_RESTORED -> {
                    account.stand(true);
                    Runstate saved = account.save();
                    assertAccount(saved, Runstate.OFFLINE);
                    pass(Runstate.OFFLINE, nanos);
                    vcpu = newVcpu();
                    account = new RunstateAccount(vcpu, true, () -> now);
                    account.restore(saved);
                    start();
                }
            }
        }

        private void halt(long flags) {
            vcpu.setMpState(MpState.HALTED);
            vcpu.setRegs(new KvmRegs().set(Gpr.RFLAGS, flags));
        }

        private void assertAccount(Runstate found, int state) {
            assertEquals(
                    new Runstate(state, now, expected[0], expected[1], expected[2], expected[3]),
                    found);
            assertEquals(now, found.total());
            assertEquals(found, vcpu.runstateData(), "the guest's area has the same");
            assertTrue(
                    found.timeRunning() >= last.timeRunning()
                            && found.timeRunnable() >= last.timeRunnable()
                            && found.timeBlocked() >= last.timeBlocked()
                            && found.timeOffline() >= last.timeOffline(),
                    () -> "a time went back: " + last + ", " + found);
            last = found;
        }
    }

    @Property
    void eachNanosecondCountsForTheRunstateThatTheVcpuHasOnXen(@ForAll("steps") List<Step> steps) {
        Model model = new Model();
        steps.forEach(model::take);
        model.take(new Step(Kind.IS_ASKED, 0));
    }

    @Example
    void allTimeCountsAsRunningWhereTheHostDoesNotAccount() {
        FakeVm vm = new FakeVm(() -> 7);
        FakeVcpu vcpu = vm.createVcpu(new VcpuId(0));
        RunstateAccount account = new RunstateAccount(vcpu, false, vm::clock);
        account.begin();
        assertEquals(new Runstate(Runstate.RUNNING, 7, 7, 0, 0, 0), account.correct(true));
        account.stand(true);
        assertEquals(Runstate.NONE, account.save());
        account.restore(new Runstate(Runstate.OFFLINE, 1, 0, 0, 0, 1));
        assertEquals(List.of(), vm.calls());
    }
}
