package io.xenemu.core.domain;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/// A vCPU whose guest makes the same hypercall for ever, without KVM. The thread does what `ExitLoop` does at exits.
final class HypercallingVcpu implements Consumer<Vcpu> {
    private final CompletableFuture<TestDomain> test = new CompletableFuture<>();
    private final long number;
    private final long[] parameters;

    HypercallingVcpu(long number, long... parameters) {
        this.number = number;
        this.parameters = parameters;
    }

    /// Tells the vCPUs their domain. They wait for it.
    void runIn(TestDomain domain) {
        test.complete(domain);
    }

    @Override
    public void accept(Vcpu vcpu) {
        TestDomain domain = test.join();
        HypercallContext call = domain.caller(vcpu.id().value(), true);
        HypercallDispatcher dispatcher = domain.dispatcher();
        vcpu.park();
        while (!vcpu.isStopping()) {
            begin(call, parameters);
            while (dispatcher.dispatch(call) == HypercallContext.CONTINUED && !vcpu.isStopping()) {
                vcpu.park();
                again(call);
            }
            vcpu.serveMailbox();
            if (vcpu.isHeld()) {
                vcpu.park();
            }
        }
    }

    private void again(HypercallContext call) {
        long[] now = new long[HypercallContext.PARAMETERS];
        for (int i = 0; i < now.length; i++) {
            now[i] = call.word(i);
        }
        begin(call, now);
    }

    private void begin(HypercallContext call, long... words) {
        call.begin(number, 0);
        for (int i = 0; i < words.length; i++) {
            call.setParameter(i, words[i]);
        }
    }
}
