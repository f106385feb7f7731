package io.xenemu.core.backend;

import io.xenemu.core.domain.Part;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.StuckException;
import io.xenemu.kvm.abi.DomId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// A domain's devices that the service serves, as one part of the domain: devices come and go while it runs. It is
/// above the domain's memory, grants and event channels, and so ends before these.
final class BackendPart implements Part {
    /// The most devices that a reason names: it is one line.
    private static final int SHOWN = 8;

    private final Backends backends;
    private final DomId domain;
    private final List<ServedDevice> held = new ArrayList<>();

    BackendPart(Backends backends, DomId domain) {
        this.backends = backends;
        this.domain = domain;
    }

    @Override
    public String name() {
        return "devices of the service";
    }

    @Override
    public void quiesce() throws InterruptedException {
        boolean all = false;
        try {
            for (ServedDevice device : backends.of(domain)) {
                held.add(device);
                Optional<String> busy = device.hold(backends.patience());
                if (busy.isPresent()) {
                    throw new StuckException(device + " " + busy.get());
                }
            }
            all = true;
        } finally {
            if (!all) {
                resume();
            }
        }
    }

    @Override
    public void resume() {
        held.forEach(ServedDevice::resume);
        held.clear();
    }

    /// The reasons of its devices, of the first [#SHOWN] that have one. A device that another process can take over
    /// tells what is against that by [Backends#stays].
    @Override
    public Optional<String> blocker(SaveScope scope) {
        List<String> all =
                backends.of(domain).stream()
                        .filter(device -> !(scope.isHandedOver() && device.canBeHandedOver()))
                        .flatMap(device ->
                                device.served().blocker().stream()
                                        .map(why -> device.device().name() + ": " + why))
                        .toList();
        String reasons = all.stream().limit(SHOWN).collect(Collectors.joining("; "));
        int more = all.size() - SHOWN;
        return all.isEmpty()
                ? Optional.empty()
                : Optional.of(more > 0 ? "%s; and %d more".formatted(reasons, more) : reasons);
    }

    @Override
    public PartState save() {
        List<ServedDevice> devices = backends.of(domain);
        if (devices.isEmpty()) {
            return new PartState.Nothing("it has no such devices");
        }
        BackendsState state = new BackendsState(devices.stream().map(ServedDevice::save).toList());
        return new PartState.Saved(BackendsState.TYPE, BackendsState.VERSION, state.encode());
    }

    @Override
    public void close() {
        boolean _ = backends.end(domain);
    }
}
