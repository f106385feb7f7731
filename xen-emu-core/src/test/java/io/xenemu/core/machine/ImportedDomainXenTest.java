package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.HostPolicy;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.WidePortDevice;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.xenimage.CodeImage;
import io.xenemu.core.xenimage.XenImage;
import io.xenemu.core.xenimage.XenImageReader;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A guest of Xen on a real VM, from its image: its code runs on, and finds the processor that it had.
@Timeout(120)
final class ImportedDomainXenTest {
    private static final int PORT = 0x10;

    /// mov eax, 1; cpuid; mov eax, ebx; shr eax, 24; out PORT, eax; mov ecx, 0x802; rdmsr; out PORT, eax
    private static final String IDS = "b801000000 0fa2 89d8 c1e818 e7%02x b902080000 0f32 e7%1$02x";

    /// cli; hlt
    private static final String END = "fa f4";

    /// Takes the numbers of one vCPU.
    private static final class Numbers implements WidePortDevice {
        private final List<Integer> taken = Collections.synchronizedList(new ArrayList<>());

        @Override
        public int read(int port, int size) {
            return 0;
        }

        @Override
        public void write(int port, int size, int value) {
            taken.add(value);
        }

        void await(Integer... wanted) {
            Eventually.holds("the guest has told all", () -> taken.size() >= wanted.length);
            assertEquals(List.of(wanted), List.copyOf(taken));
        }
    }

    private final KvmSystem system;
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final DomainBuilder builder;
    private final Numbers first = new Numbers();
    private final Numbers second = new Numbers();

    ImportedDomainXenTest() {
        KvmDomain.assumeXen();
        system = KvmSystem.open(KvmSystem.DEVICE);
        builder = XenBuilder.of(system, registry);
    }

    /// mov eax, [0xfc000000]; out PORT, eax
    private static String tables(int port) {
        return "a1000000fc e7%02x".formatted(port);
    }

    /// mov eax, 17; xor ebx, ebx; vmcall or vmmcall; out PORT, eax
    private static String version(int call, int port) {
        return "b811000000 31db 0f01%02x e7%02x".formatted(call, port);
    }

    private int khz() {
        try (KvmVm vm = system.createVm();
                KvmVcpu vcpu = vm.createVcpu(new VcpuId(0))) {
            return vcpu.getTscKhz();
        }
    }

    private static DomainOrigin.Imported origin(XenImage image) {
        DomainConfig config =
                new DomainConfig(
                        "code",
                        new UUID(1, 2),
                        8 << 20,
                        8 << 20,
                        2,
                        image.xenVersion(),
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT,
                        new CpuConfig(
                                image.policy(),
                                CpuidOverrides.NONE,
                                TscMode.NATIVE,
                                Viridian.NONE,
                                false));
        return new DomainOrigin.Imported(
                new DomId(5),
                config,
                image.layout(),
                image.memory(),
                memory -> fill(image, memory.ram()));
    }

    private static void fill(XenImage image, MemorySegment ram) {
        try {
            image.pages().fill(ram);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private PortBus ports(Domain domain) {
        return new PortBus(
                List.of(
                        new PortBus.Range(PORT, PORT + 3, first),
                        new PortBus.Range(PORT + 4, PORT + 7, second)));
    }

    @Test
    void codeRunsOnWithTheIdsAndTheMemoryThatXenGaveIt() throws Exception {
        CpuPolicy host = HostPolicy.defaults(VcpuModel.offerable(system), false);
        int call = host.isAmd() ? 0xd9 : 0xc1;
        byte[] image =
                CodeImage.of(
                        host.entries(),
                        khz(),
                        IDS.formatted(PORT) + tables(PORT) + version(call, PORT) + END,
                        IDS.formatted(PORT + 4) + END);
        try (XenImageReader reader =
                new XenImageReader(Channels.newChannel(new ByteArrayInputStream(image)))) {
            XenImage read = reader.read(new WorkProgress());
            Domain domain =
                    builder.resume(
                            new ImportedDomain(origin(read), read.kvm(), read.isNativeTsc()),
                            this::ports);
            try {
                domain.start();
                first.await(0, 0, 0x0404_0404, 4 << 16 | 17);
                second.await(2, 2);
                // Its state can be saved as that of any domain.
                domain.parts().quiesceAndSave();
            } finally {
                domain.close();
            }
        }
    }
}
