package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.machine.DomainBuilder;
import io.xenemu.core.machine.LocalVcpu;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.Translation;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.PageWalk;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.UUID;

/// Compares our page-table walk with KVM_TRANSLATE on a running Linux guest: stops its vCPU again and again and asks
/// both for many addresses. A program for inside the lab; [PageWalkIT] runs it. Arguments: kernel, initramfs.
public final class WalkAgainstKvm {
    private static final int STOPS = 300;
    private static final int ADDRESSES_PER_STOP = 200;
    private static final long STOP_EVERY_MILLIS = 10;
    private static final long SEED = 20261121;
    private static final long CANONICAL_HIGH = 0xffff_8000_0000_0000L;

    private final Domain domain;
    private final Random random = new Random(SEED);
    private long mapped;
    private long unmapped;
    private long differences;

    private WalkAgainstKvm(Domain domain) {
        this.domain = domain;
    }

    public static void main(String[] args) throws Exception {
        MeterRegistry registry = new SimpleMeterRegistry();
        try (HostKvm kvm = HostKvm.open();
                HostResources resources = HostResources.ofThisHost();
                BootFiles files =
                        BootFiles.open(Path.of(args[0]), List.of(args[1]), Long.MAX_VALUE)) {
            ServicePorts ports = new ServicePorts(id -> null, registry);
            DomainEnvironment environment =
                    new DomainEnvironment(
                            registry,
                            id -> null,
                            ports,
                            id -> null,
                            resources,
                            PortAccount.ofThisHeap());
            DomainConfig config =
                    new DomainConfig(
                            "walk",
                            UUID.randomUUID(),
                            512L << 20,
                            1,
                            4 << 16 | 19,
                            GrantLimits.defaults(),
                            EventChannelConfig.DEFAULT);
            Domain domain =
                    new DomainBuilder(
                                    kvm.system(),
                                    kvm.capabilities(),
                                    environment,
                                    HypercallTable.standard(),
                                    new TracePoints())
                            .build(
                                    new DomId(1),
                                    config,
                                    files.kernel(),
                                    files.modules(),
                                    "panic=-1",
                                    d -> new PortBus(List.of()));
            WalkAgainstKvm walk = new WalkAgainstKvm(domain);
            domain.start();
            for (int i = 0; i < STOPS; i++) {
                Thread.sleep(STOP_EVERY_MILLIS);
                domain.vcpus().get(0).call(_ -> walk.compare());
            }
            domain.close();
            System.out.printf(
                    "walk: %d mapped, %d unmapped, %d differences%n",
                    walk.mapped, walk.unmapped, walk.differences);
        }
    }

    private void compare() {
        KvmVcpu vcpu = ((LocalVcpu) domain.vcpus().get(0).port()).kvm();
        Registers registers = new Registers(vcpu.getSregs());
        PageWalk walk = new PageWalk(domain.memory().guest());
        long rip = vcpu.getRegs().get(Gpr.RIP);
        long rsp = vcpu.getRegs().get(Gpr.RSP);
        for (int i = 0; i < ADDRESSES_PER_STOP; i++) {
            long address =
                    switch (i % 4) {
                        case 0 -> rip + random.nextInt(1 << 24) - (1 << 23);
                        case 1 -> rsp + random.nextInt(1 << 20) - (1 << 19);
                        case 2 -> random.nextLong(1L << 32);
                        default -> CANONICAL_HIGH | (random.nextLong() >>> 17);
                    };
            compare(walk, registers, vcpu, registers.longMode() ? address : address & 0xffff_ffffL);
        }
    }

    private void compare(PageWalk walk, CpuState registers, KvmVcpu vcpu, long address) {
        Translation theirs = vcpu.translate(address);
        long ours;
        try {
            ours = walk.translate(registers, address, false);
        } catch (XenError e) {
            ours = -1;
        }
        // KVM translates to addresses that no memory is behind; the walk, for copying, does too.
        long expected = theirs.valid() ? theirs.physicalAddress() : -1;
        if (ours != expected) {
            differences++;
            System.out.printf("address %#x: ours %#x, KVM %#x%n", address, ours, expected);
        } else if (ours == -1) {
            unmapped++;
        } else {
            mapped++;
        }
    }

    private record Registers(KvmSregs sregs) implements CpuState {
        @Override
        public long cr0() {
            return sregs.cr0();
        }

        @Override
        public long cr3() {
            return sregs.cr3();
        }

        @Override
        public long cr4() {
            return sregs.cr4();
        }

        @Override
        public long efer() {
            return sregs.efer();
        }

        @Override
        public boolean longMode() {
            return sregs.csLong();
        }
    }
}
