package io.xenemu.core.control;

import com.google.common.base.Splitter;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.domain.VcpuRegisters;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.ioctl.MpState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Presses Xen's debug keys ([DebugKey]) for all domains. The output goes to the operator that has pressed them, where
/// Xen prints it to its own console.
///
/// A key that asks vCPUs waits for their threads with no lock held, and not longer than a limit.
final class DebugKeys {
    /// The most keys of one request, more than there are keys.
    private static final int MAX_KEYS = 16;

    /// Time for all vCPUs to answer one request, the same as for a pause.
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private static final Logger log = LoggerFactory.getLogger(DebugKeys.class);

    private final OperatedDomains domains;
    private final Duration limit;

    DebugKeys(OperatedDomains domains) {
        this(domains, LIMIT);
    }

    /// @param limit time for all vCPUs to answer one request
    DebugKeys(OperatedDomains domains, Duration limit) {
        this.domains = domains;
        this.limit = limit;
    }

    /// Presses keys one after another; none if one of them is unknown.
    ///
    /// @return their output, up to [DebugRows#MAX] lines
    List<String> press(String keys) throws Refused, InterruptedException {
        if (keys.isEmpty() || keys.length() > MAX_KEYS) {
            throw new Refused("not 1 to " + MAX_KEYS + " keys; h lists them");
        }
        List<DebugKey> pressed = new ArrayList<>();
        for (String letter : Splitter.fixedLength(1).split(keys)) {
            DebugKey key = DebugKey.of(letter.charAt(0));
            if (key == null) {
                throw new Refused("no such key: " + letter + "; h lists the keys");
            }
            pressed.add(key);
        }
        DebugRows rows = new DebugRows();
        long deadline = System.nanoTime() + limit.toNanos();
        for (DebugKey key : pressed) {
            press(key, rows, deadline);
        }
        return rows.all();
    }

    private void press(DebugKey key, DebugRows rows, long deadline) throws InterruptedException {
        switch (key) {
            case ALL -> {
                for (DebugKey other : DebugKey.values()) {
                    if (other != DebugKey.ALL && other != DebugKey.HELP) {
                        press(other, rows, deadline);
                    }
                }
            }
            case HELP -> DebugKey.helpRows().forEach(rows::add);
            case EVENT_CHANNELS -> forEach(rows, domain -> DomainDebug.eventChannels(domain, rows));
            case GRANTS -> forEach(rows, domain -> DomainDebug.grants(domain, rows));
            case MEMORY -> forEach(rows, domain -> DomainDebug.memory(domain, rows));
            case DOMAINS -> forEach(rows, domain -> DomainDebug.notifyGuest(domain, rows));
            case CLOCKS -> forEach(rows, domain -> DomainDebug.clock(domain, rows));
            case THREADS -> threads(rows, deadline);
            case TIMERS -> timers(rows, deadline);
            case REGISTERS ->
                    ask(
                            Vcpu::requestRegisters,
                            (vcpu, registers) -> VcpuDebug.registers(vcpu, registers, rows),
                            rows,
                            deadline);
            case PROCESSORS -> processors(rows, deadline);
        }
    }

    private void threads(DebugRows rows, long deadline) throws InterruptedException {
        forEach(rows, domain -> domain.vcpus().forEach(vcpu -> VcpuDebug.thread(vcpu, rows)));
        ask(
                Vcpu::requestRunstate,
                (vcpu, account) -> VcpuDebug.runstate(vcpu, account, rows),
                rows,
                deadline);
    }

    private void timers(DebugRows rows, long deadline) throws InterruptedException {
        forEach(rows, domain -> DomainDebug.watchdogs(domain, rows));
        ask(
                Vcpu::requestTimers,
                (vcpu, state) -> VcpuDebug.timers(vcpu, state, rows),
                rows,
                deadline);
    }

    private record Processor(MpState state, VcpuRegisters registers) {}

    private void processors(DebugRows rows, long deadline) throws InterruptedException {
        ask(
                vcpu ->
                        vcpu.requestMpState()
                                .thenCombine(
                                        vcpu.requestRegisters(),
                                        (state, registers) ->
                                                state.flatMap(known ->
                                                        registers.map(
                                                                all -> new Processor(known, all)))),
                (vcpu, processor) ->
                        VcpuDebug.processor(
                                vcpu, processor.state(), processor.registers().system(), rows),
                rows,
                deadline);
    }

    /// Presses a key for every domain, also after it has failed for one. Such a bug is not the guest's: it goes on.
    void forEach(DebugRows rows, Consumer<Domain> key) {
        domains.forEach(domain -> {
            try {
                key.accept(domain);
            } catch (RuntimeException | Error e) {
                log.error("{}: a debug key has failed: this is a bug", domain, e);
                rows.add("%s: the key has failed: %s", domain, e);
            }
        });
    }

    private record Asked<T>(Vcpu vcpu, CompletableFuture<Optional<T>> answer) {}

    /// Asks all vCPUs at once, and shows the answers in their order.
    private <T> void ask(
            Function<Vcpu, CompletableFuture<Optional<T>>> question,
            BiConsumer<Vcpu, T> show,
            DebugRows rows,
            long deadline)
            throws InterruptedException {
        List<Asked<T>> all = new ArrayList<>();
        forEach(
                rows,
                domain ->
                        domain.vcpus()
                                .forEach(vcpu -> all.add(new Asked<>(vcpu, question.apply(vcpu)))));
        for (Asked<T> asked : all) {
            Vcpu vcpu = asked.vcpu();
            try {
                long left = Math.max(0, deadline - System.nanoTime());
                asked.answer()
                        .get(left, TimeUnit.NANOSECONDS)
                        .ifPresentOrElse(
                                answer -> show.accept(vcpu, answer),
                                () -> rows.add(vcpu + ": has ended"));
            } catch (TimeoutException e) {
                rows.add(vcpu + ": gives no answer: its thread is busy");
            } catch (ExecutionException e) {
                rows.add(vcpu + ": gives no answer: " + e.getCause());
            }
        }
    }
}
