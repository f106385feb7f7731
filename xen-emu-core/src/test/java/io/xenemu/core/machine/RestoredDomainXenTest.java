package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootContent;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.WidePortDevice;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.domain.SavedFrames;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.KvmStateCodec;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayInputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// A domain on a real VM is saved and made again, and its code goes on.
@Timeout(120)
final class RestoredDomainXenTest {
    private static final int PORT = 0x10;
    private static final int CODE = 0x100;

    /// xor ecx, ecx; 1: inc ecx; mov eax, ecx; out 10, eax; jmp 1
    private static final String COUNT = "31c9 41 89c8 e710 ebf9";

    /// Takes the guest's numbers, each of which has to be the next.
    private static final class Counter implements WidePortDevice {
        final AtomicInteger last = new AtomicInteger();
        final AtomicReference<String> wrong = new AtomicReference<>("");

        @Override
        public int read(int port, int size) {
            return 0;
        }

        @Override
        public void write(int port, int size, int value) {
            if (value != last.get() + 1) {
                wrong.set(value + " after " + last.get());
            }
            last.set(value);
        }

        void awaitMore() {
            int now = last.get();
            Eventually.holds("the guest counts", () -> last.get() > now + 100);
            assertEquals("", wrong.get());
        }
    }

    private final KvmSystem system;
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final DomainBuilder builder;
    private final Counter counter = new Counter();

    RestoredDomainXenTest() {
        KvmDomain.assumeXen();
        system = KvmSystem.open(KvmSystem.DEVICE);
        builder = XenBuilder.of(system, registry);
    }

    private Domain boot() throws BootException {
        byte[] kernel = TrainingKernel.image();
        byte[] code = HexFormat.of().parseHex(COUNT.replace(" ", ""));
        System.arraycopy(code, 0, kernel, CODE, code.length);
        DomainConfig config =
                new DomainConfig(
                        "counts",
                        new UUID(1, 2),
                        GuestMemoryMap.MIN_BYTES,
                        2,
                        4 << 16 | 19,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        return builder.build(
                new DomId(3),
                config,
                KernelImage.parse("counts", BootContent.of(MemorySegment.ofArray(kernel))),
                List.of(),
                "",
                this::ports);
    }

    private PortBus ports(Domain domain) {
        return new PortBus(List.of(new PortBus.Range(PORT, PORT + 3, counter)));
    }

    /// Saves a domain that runs, and ends it.
    private static SavedDomain save(Domain domain, ClockPolicy clock) throws Exception {
        byte[] stream = XenState.write(domain.parts().quiesceAndSave());
        MemorySegment ram =
                MemorySegment.ofArray(domain.memory().ram().toArray(ValueLayout.JAVA_BYTE));
        domain.close();
        SavedFrames frames = new SavedFrames();
        var xen = XenState.addTo(frames);
        var kvm = frames.add(KvmStateCodec.TYPE, KvmStateCodec::decode);
        return frames.read(
                new ByteArrayInputStream(stream),
                () ->
                        new SavedDomain(
                                new DomainOrigin.Saved(xen.get(), to -> to.ram().copyFrom(ram)),
                                kvm.get(),
                                clock));
    }

    @ParameterizedTest
    @EnumSource(ClockPolicy.class)
    void codeGoesOnAndSoDoesTheClock(ClockPolicy clock) throws Exception {
        try (system) {
            Domain first = boot();
            first.start();
            counter.awaitMore();
            SavedDomain saved = save(first, clock);
            Domain second = builder.restore(saved, this::ports);
            second.start();
            counter.awaitMore();
            assertTrue(second.vm().clock() >= saved.kvm().vm().time().clock());
            SavedDomain again = save(second, clock);
            assertEquals(3, again.kvm().vm().incarnation() + 1);
            Domain third = builder.restore(again, this::ports);
            third.start();
            counter.awaitMore();
            third.close();
        }
    }

    /// The parts go on after a save that fails later, or is a checkpoint.
    @Test
    void savedDomainCanGoOn() throws Exception {
        try (system) {
            Domain domain = boot();
            domain.start();
            counter.awaitMore();
            for (int i = 0; i < 3; i++) {
                KvmState state = state(XenState.write(domain.parts().quiesceAndSave()));
                domain.parts().resume();
                assertEquals(1, state.vm().incarnation());
                counter.awaitMore();
            }
            domain.close();
        }
    }

    private static KvmState state(byte[] stream) throws Exception {
        SavedFrames frames = new SavedFrames();
        var xen = XenState.addTo(frames);
        var kvm = frames.add(KvmStateCodec.TYPE, KvmStateCodec::decode);
        return frames.read(
                new ByteArrayInputStream(stream),
                () -> {
                    assertEquals(new DomId(3), xen.get().id());
                    return kvm.get();
                });
    }
}
