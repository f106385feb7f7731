package io.xenemu.core.domain;

import io.xenemu.core.timer.DomainTimers;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.VcpuTimersCodec;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The timers of a domain's vCPUs as a part of it. While the part stands still, timers are stopped: an event that falls
/// due then comes late.
final class TimersPart implements Part {
    private final List<Vcpu> vcpus;
    private final DomainTimers timers;
    private List<VcpuTimer.State> suspended = List.of();

    TimersPart(List<Vcpu> vcpus, DomainTimers timers) {
        this.vcpus = vcpus;
        this.timers = timers;
    }

    @Override
    public String name() {
        return "timers";
    }

    @Override
    public void quiesce() {
        List<VcpuTimer.State> states = new ArrayList<>();
        for (Vcpu vcpu : vcpus) {
            // A vCPU that ends meanwhile has no timer any more.
            states.add(new VcpuTimer.State(0, 0));
            vcpu.call(_ -> states.set(states.size() - 1, vcpu.timer().suspend()));
        }
        suspended = List.copyOf(states);
    }

    @Override
    public void resume() {
        for (int i = 0; i < suspended.size(); i++) {
            Vcpu vcpu = vcpus.get(i);
            VcpuTimer.State state = suspended.get(i);
            vcpu.call(_ -> vcpu.timer().restore(state));
        }
        suspended = List.of();
    }

    @Override
    public Optional<String> blocker(SaveScope scope) {
        return Optional.empty();
    }

    @Override
    public PartState save() {
        return new PartState.Saved(
                VcpuTimersCodec.TYPE, VcpuTimersCodec.VERSION, VcpuTimersCodec.encode(suspended));
    }

    @Override
    public void close() {
        timers.close();
    }
}
