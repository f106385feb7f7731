package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.FakeVcpu;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// A domain that is saved and restored is the same domain. Saved again, it has the same state. It answers all later
/// operations of its guest as the old domain does.
final class DomainStatePropertyTest {
    /// Where shared_info has the wall clock in either layout. KVM writes it anew.
    private static final int WALL_CLOCK_64 = 0xc00;

    private static final int WALL_CLOCK_32 = 0x900;
    private static final int WALL_CLOCK_BYTES = 24;

    private static final int VCPUS = 2;

    @Provide
    Arbitrary<List<GuestOperation>> operations() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, GuestOperation.KINDS - 1),
                        Arbitraries.integers(),
                        Arbitraries.integers())
                .as(GuestOperation::new)
                .list()
                .ofMaxSize(60);
    }

    @Provide
    Arbitrary<Set<XenCapability>> capabilities() {
        return Arbitraries.of(
                        XenCapability.SHARED_INFO_HVA,
                        XenCapability.RUNSTATE,
                        XenCapability.RUNSTATE_UPDATE_FLAG)
                .set();
    }

    private static DomainOrigin boot(boolean fifo) {
        return new DomainOrigin.Boot(
                TestDomain.ID,
                new DomainConfig(
                        "test",
                        new UUID(1, 2),
                        GuestMemoryMap.MIN_BYTES,
                        VCPUS,
                        0x0004_0013,
                        new GrantLimits(4, 1, 2),
                        new EventChannelConfig(fifo, EvtchnOptions.XL_MAX_PORT, true)));
    }

    private static XenState save(Domain domain)
            throws IOException, InterruptedException, BlockedException {
        byte[] stream = XenState.write(domain.parts().quiesceAndSave());
        domain.parts().resume();
        return XenState.read(new ByteArrayInputStream(stream));
    }

    /// A state without the wall clock. KVM writes the clock to the frame of shared_info, even if the guest has put
    /// another page at that frame.
    private static XenState timeless(XenState state) {
        Set<Integer> clocks = new HashSet<>(Set.of(SpecialPages.SHARED_INFO));
        state.memory().overlays().stream()
                .filter(overlay -> overlay.gfn() == state.sharedInfo().gfn())
                .forEach(overlay -> clocks.add(overlay.page()));
        List<MemoryState.Content> contents =
                state.memory().contents().stream()
                        .map(content ->
                                clocks.contains(content.page()) ? timeless(content) : content)
                        .filter(content -> content.words().stream().anyMatch(word -> word != 0))
                        .toList();
        MemoryState memory = state.memory();
        return new XenState(
                state.identity(),
                new MemoryState(
                        memory.overlays(),
                        memory.gone(),
                        memory.owned(),
                        contents,
                        memory.further()),
                state.params(),
                state.sharedInfo(),
                state.delivery(),
                state.areas().stream().map(DomainStatePropertyTest::timeless).toList(),
                state.events(),
                state.grants(),
                state.timers(),
                state.watchdogs(),
                state.layout());
    }

    /// An account goes on while it is not looked at.
    private static VcpuAreas.State timeless(VcpuAreas.State areas) {
        return new VcpuAreas.State(
                areas.vcpuInfo(), areas.time(), areas.runstate(), Runstate.NONE, areas.power());
    }

    private static MemoryState.Content timeless(MemoryState.Content content) {
        long[] words = content.words().toArray();
        for (int i = 0; i < WALL_CLOCK_BYTES / Long.BYTES; i++) {
            words[WALL_CLOCK_64 / Long.BYTES + i] = 0;
            words[WALL_CLOCK_32 / Long.BYTES + i] = 0;
        }
        return new MemoryState.Content(content.page(), ImmutableLongArray.copyOf(words));
    }

    /// RAM without the wall clock in it. Its first pages are the guest's first frames.
    private static MemorySegment timelessRam(Domain domain) {
        MemorySegment ram = domain.memory().ram();
        long page = domain.sharedInfo().save().gfn() * GuestMemory.PAGE_SIZE;
        ram.asSlice(page + WALL_CLOCK_64, WALL_CLOCK_BYTES).fill((byte) 0);
        ram.asSlice(page + WALL_CLOCK_32, WALL_CLOCK_BYTES).fill((byte) 0);
        return ram;
    }

    /// The Xen state that the VM keeps.
    private static List<Object> kept(FakeVm vm) {
        List<Object> kept = new ArrayList<>();
        kept.add(vm.ports());
        kept.add(vm.eventRoutes());
        kept.add(vm.isLongMode());
        kept.add(vm.upcallVector());
        for (int i = 0; i < VCPUS; i++) {
            FakeVcpu vcpu = vm.vcpu(i);
            kept.add(vcpu.upcallVector());
            kept.add(vcpu.timeInfo());
            kept.add(vcpu.runstateArea());
            kept.add(vcpu.timer());
        }
        return kept;
    }

    @Property(tries = 100)
    void restoredDomainIsTheSameAndGoesOnAsTheOldOne(
            @ForAll("operations") List<GuestOperation> before,
            @ForAll("operations") List<GuestOperation> after,
            @ForAll("capabilities") Set<XenCapability> capabilities,
            @ForAll boolean fifo)
            throws Exception {
        Set<XenCapability> known = EnumSet.noneOf(XenCapability.class);
        known.addAll(capabilities);
        FakeVm oldVm = new FakeVm();
        try (TestDomain old = TestDomain.of(boot(fifo), oldVm, known)) {
            before.forEach(operation -> operation.on(old));
            XenState saved = save(old.domain());
            DomainOrigin origin =
                    new DomainOrigin.Saved(
                            saved, to -> to.ram().copyFrom(old.domain().memory().ram()));
            FakeVm newVm = new FakeVm(oldVm::clock);
            try (TestDomain restored = TestDomain.of(origin, newVm, known)) {
                // A restore announces pending events, which does no harm to a domain that goes on.
                old.domain().eventChannels().announcePending();
                assertEquals(timeless(save(old.domain())), timeless(save(restored.domain())));
                assertEquals(kept(oldVm), kept(newVm));
                for (GuestOperation operation : after) {
                    assertEquals(operation.on(old), operation.on(restored), operation::toString);
                }
                assertEquals(timeless(save(old.domain())), timeless(save(restored.domain())));
                assertEquals(kept(oldVm), kept(newVm));
                assertEquals(
                        -1, timelessRam(old.domain()).mismatch(timelessRam(restored.domain())));
            }
        }
    }
}
