package io.xenemu.core.domain;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.delivery.EventFdThreads;
import io.xenemu.evtchn.EventChannelsCodec;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyWriter;
import java.util.Optional;
import java.util.function.Supplier;

/// The parts that a domain makes for itself, with their answers to a save.
final class DomainParts {
    private DomainParts() {}

    static Supplier<PartState> derivedFrom(String parts) {
        return () -> new PartState.Derived(parts);
    }

    private static PartState saved(int type, BodyWriter body) {
        return new PartState.Saved(type, DomainStateCodec.version(type), body);
    }

    /// A domain that has shut down is about to end. One that has suspended itself is saved as such.
    static Optional<String> shutdown(Domain domain, SaveScope scope) {
        if (domain.shutdownLatch().get() != null) {
            return Optional.of("it has shut down");
        }
        if (domain.suspension().isSoftReset()) {
            return Optional.of("it is being reset");
        }
        return domain.suspension().isSuspended() && !scope.isSuspended()
                ? Optional.of("it has suspended itself")
                : Optional.empty();
    }

    /// The domain's identity: id, configuration and pauses.
    static PartState identity(Domain domain) {
        XenState.Identity identity =
                new XenState.Identity(domain.id(), domain.config(), domain.pauses());
        return saved(DomainStateCodec.IDENTITY, DomainStateCodec.encode(identity));
    }

    /// A vCPU that is down has its registers in KVM, which a trace does not have.
    static Optional<String> restingVcpu(Domain domain) {
        return domain.vcpus().stream().anyMatch(Vcpu::isResting)
                ? Optional.of("a vCPU is down")
                : Optional.empty();
    }

    static PartState areas(Domain domain) {
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

    static PartState watchdogs(Domain domain) {
        return saved(
                DomainStateCodec.WATCHDOGS, DomainStateCodec.encode(domain.watchdogs().save()));
    }

    /// The reason for which event channels to other guests block a save: the other end is not saved. A guest that has
    /// suspended itself makes new ones.
    static Optional<String> foreignChannel(Domain domain, SaveScope scope) {
        if (scope.isSuspended()) {
            return Optional.empty();
        }
        for (EventChannelsState.Port port : domain.eventChannels().save().ports()) {
            if (port.status() instanceof EvtchnStatus.Interdomain end
                    && !end.remote().equals(DomId.DOM0)
                    && !end.remote().equals(domain.id())
                    && !scope.has(end.remote())) {
                return Optional.of("it has an event channel to " + end.remote());
            }
        }
        return Optional.empty();
    }

    /// The layout of a machine that another hypervisor has built. That of our own follows from the configuration.
    static PartState layout(Optional<MachineLayout> layout) {
        return layout.<PartState>map(
                        it -> saved(DomainStateCodec.LAYOUT, DomainStateCodec.encode(it)))
                .orElseGet(() -> new PartState.Derived("domain"));
    }

    /// Channels to domain 0 come back unbound, and the service binds its ends again.
    static PartState events(Domain domain) {
        return new PartState.Saved(
                EventChannelsCodec.TYPE,
                EventChannelsCodec.VERSION,
                EventChannelsCodec.encode(domain.eventChannels().save()));
    }

    /// A domain's grants. While it stands still, other domains are told to try again.
    record Grants(DomainPages pages) implements Part {
        @Override
        public String name() {
            return "grants";
        }

        @Override
        public void quiesce() throws InterruptedException {
            if (!pages.grantTable().hold(Quiescence.LIMIT)) {
                throw new StuckException(
                        "another domain's grant operation has taken over %d s"
                                .formatted(Quiescence.LIMIT.toSeconds()));
            }
        }

        @Override
        public void resume() {
            pages.grantTable().release();
        }

        @Override
        public Optional<String> blocker(SaveScope scope) {
            return pages.grantBlocker(scope);
        }

        @Override
        public PartState save() {
            return pages.saveGrants();
        }

        /// The pages end the grants.
        @Override
        public void close() {}
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
        public Optional<String> blocker(SaveScope scope) {
            return Optional.empty();
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
