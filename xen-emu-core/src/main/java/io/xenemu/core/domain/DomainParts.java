package io.xenemu.core.domain;

import io.xenemu.core.delivery.EventFdThreads;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.evtchn.EventChannelsCodec;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyWriter;
import java.util.function.Supplier;

/// What the parts that a domain makes for itself answer to a save.
final class DomainParts {
    private DomainParts() {}

    static Supplier<PartState> derivedFrom(String parts) {
        return () -> new PartState.Derived(parts);
    }

    private static PartState saved(int type, BodyWriter body) {
        return new PartState.Saved(type, DomainStateCodec.VERSION, body);
    }

    /// Which domain it is. One that has shut down is about to end.
    static PartState identity(Domain domain) {
        if (domain.shutdownLatch().get() != null) {
            return new PartState.Blocked("it has shut down");
        }
        if (domain.suspension().isSuspended()) {
            return new PartState.Blocked("that it is suspended cannot be saved yet");
        }
        XenState.Identity identity =
                new XenState.Identity(domain.id(), domain.config(), domain.pauses());
        return saved(DomainStateCodec.IDENTITY, DomainStateCodec.encode(identity));
    }

    static PartState areas(Domain domain) {
        if (domain.vcpus().stream().anyMatch(Vcpu::isResting)) {
            return new PartState.Blocked("that a vCPU is down cannot be saved yet");
        }
        return saved(
                DomainStateCodec.AREAS,
                DomainStateCodec.encode(
                        domain.vcpus().stream().map(vcpu -> vcpu.areas().save()).toList()));
    }

    static PartState params(Domain domain) {
        return saved(DomainStateCodec.PARAMS, DomainStateCodec.encode(domain.params().save()));
    }

    static PartState sharedInfo(Domain domain) {
        return saved(
                DomainStateCodec.SHARED_INFO, DomainStateCodec.encode(domain.sharedInfo().save()));
    }

    static PartState delivery(Domain domain) {
        return saved(DomainStateCodec.DELIVERY, DomainStateCodec.encode(domain.delivery().save()));
    }

    /// A watchdog that is lost would no longer watch, and its guest would get errors.
    static PartState watchdogs(Watchdogs watchdogs) {
        return watchdogs.taken() == 0
                ? new PartState.Nothing("no watchdog is taken")
                : new PartState.Blocked("its watchdog cannot be saved yet");
    }

    /// Channels to domain 0 come back unbound, and the service binds its ends again.
    static PartState events(Domain domain) {
        EventChannelsState state = domain.eventChannels().save();
        for (EventChannelsState.Port port : state.ports()) {
            if (port.status() instanceof EvtchnStatus.Interdomain end
                    && !end.remote().equals(DomId.DOM0)
                    && !end.remote().equals(domain.id())) {
                return new PartState.Blocked("it has an event channel to " + end.remote());
            }
        }
        return new PartState.Saved(
                EventChannelsCodec.TYPE,
                EventChannelsCodec.VERSION,
                EventChannelsCodec.encode(state));
    }

    /// The threads that serve a domain's eventfds. A signal that comes while they stand still stays in its eventfd.
    record EventFds(EventFdThreads threads) implements Part {
        @Override
        public String name() {
            return "eventfds";
        }

        @Override
        public void quiesce() throws InterruptedException {
            if (!threads.hold(Quiescence.LIMIT)) {
                throw new StuckException(
                        "a thread that serves an eventfd has been busy for %d s"
                                .formatted(Quiescence.LIMIT.toSeconds()));
            }
        }

        @Override
        public void resume() {
            threads.release();
        }

        @Override
        public PartState save() {
            return new PartState.Derived("evtchn, upcalls");
        }

        @Override
        public void close() {
            threads.close();
        }
    }
}
