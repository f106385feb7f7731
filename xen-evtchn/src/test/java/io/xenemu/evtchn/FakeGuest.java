package io.xenemu.evtchn;

import com.google.common.base.Throwables;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// One guest of a service that has at most two, with its memory as the guest sees it.
final class FakeGuest {
    static final DomId ID = new DomId(1);

    private static final PortAccount UNLIMITED = PortAccount.unlimited();

    final GuestWidth width;
    final Map<Long, MemorySegment> pages = new ConcurrentHashMap<>();
    final MeterRegistry registry = new SimpleMeterRegistry();
    final FakeKernel kernel = new FakeKernel();
    final List<Integer> upcalls = new CopyOnWriteArrayList<>();
    final MemorySegment shared;
    final MemorySegment[] vcpuInfos;
    EventChannels channels;
    final ServicePorts service;

    /// For all guests of the service.
    final PortAccount account;

    volatile @Nullable EventChannels neighbour;

    /// An action of an upcall, besides being counted.
    volatile Runnable onUpcall = () -> {};

    /// Told of failures that end this guest.
    volatile Consumer<Throwable> onFailure = FakeGuest::rethrow;

    FakeGuest(Arena arena, GuestWidth width, int vcpus) {
        this(arena, width, vcpus, ID, null);
    }

    /// A guest beside another.
    ///
    /// @param host the guest whose service this one shares, if any
    FakeGuest(Arena arena, GuestWidth width, int vcpus, DomId id, @Nullable FakeGuest host) {
        this(arena, width, EvtchnOptions.of(vcpus), id, host);
    }

    /// A guest with options of its own.
    FakeGuest(
            Arena arena,
            GuestWidth width,
            EvtchnOptions options,
            DomId id,
            @Nullable FakeGuest host) {
        this(arena, width, options, id, host, host == null ? UNLIMITED : host.account);
    }

    /// A guest whose service has room for so many ports.
    FakeGuest(
            Arena arena,
            GuestWidth width,
            EvtchnOptions options,
            DomId id,
            @Nullable FakeGuest host,
            PortAccount account) {
        this.account = account;
        PeerChannels domains = host == null ? this::find : host::find;
        this.width = width;
        this.service = host == null ? new ServicePorts(domains, registry) : host.service;
        this.channels =
                new EventChannels(
                        id,
                        options,
                        environment(domains, kernel),
                        new EventChannelMetrics(registry, id));
        if (host != null) {
            host.neighbour = channels;
        }
        this.shared = arena.allocate(4096, 4096);
        this.vcpuInfos = new MemorySegment[options.vcpus()];
        for (int i = 0; i < vcpuInfos.length; i++) {
            vcpuInfos[i] = shared.asSlice(64L * i, 64);
        }
        channels.setSharedInfo(shared, width);
    }

    static FakeGuest wide(Arena arena) {
        return new FakeGuest(arena, GuestWidth.BITS_64, 4);
    }

    /// The surroundings of this guest's event channels, perhaps with another kernel.
    EventEnvironment environment(PeerChannels domains, KernelPorts ports) {
        return new EventEnvironment(
                domains,
                ports,
                vcpu -> {
                    upcalls.add(vcpu.value());
                    onUpcall.run();
                },
                this::page,
                account,
                e -> onFailure.accept(e));
    }

    /// A fake kernel that refuses shows a mistake of the code under test, unless a test wants it.
    static void rethrow(Throwable failure) {
        Throwables.throwIfUnchecked(failure);
        throw new IllegalStateException(failure);
    }

    private MemorySegment page(long gfn) throws XenError {
        MemorySegment page = pages.get(gfn);
        if (page == null) {
            throw XenError.EINVAL;
        }
        return page;
    }

    @Nullable EventChannels find(DomId id) {
        return switch (id.value()) {
            case 0 -> service.channels();
            case 1 -> channels;
            case 2 -> neighbour;
            default -> null;
        };
    }

    static VcpuId vcpu(int id) {
        return new VcpuId(id);
    }

    static EvtchnPort port(int number) {
        return EvtchnPort.of(number);
    }

    // ---- guest memory, byte by byte, so that nothing of the code under test is used

    boolean pending(int port) {
        return bit(0x800, port);
    }

    boolean masked(int port) {
        return bit(maskOffset(), port);
    }

    void setPending(int port, boolean value) {
        setBit(0x800, port, value);
    }

    void setMasked(int port, boolean value) {
        setBit(maskOffset(), port, value);
    }

    boolean upcallPending(int vcpu) {
        return vcpuInfos[vcpu].get(ValueLayout.JAVA_BYTE, 0) != 0;
    }

    long selector(int vcpu) {
        return width == GuestWidth.BITS_64
                ? vcpuInfos[vcpu].get(ValueLayout.JAVA_LONG_UNALIGNED, 8)
                : Integer.toUnsignedLong(vcpuInfos[vcpu].get(ValueLayout.JAVA_INT, 4));
    }

    /// The first steps of a guest's upcall handler.
    void takeUpcall(int vcpu) {
        vcpuInfos[vcpu].set(ValueLayout.JAVA_BYTE, 0, (byte) 0);
        if (width == GuestWidth.BITS_64) {
            vcpuInfos[vcpu].set(ValueLayout.JAVA_LONG_UNALIGNED, 8, 0);
        } else {
            vcpuInfos[vcpu].set(ValueLayout.JAVA_INT, 4, 0);
        }
    }

    private long maskOffset() {
        return width == GuestWidth.BITS_64 ? 0xa00 : 0x880;
    }

    private boolean bit(long bitmap, int port) {
        return (shared.get(ValueLayout.JAVA_BYTE, bitmap + port / 8) >> (port % 8) & 1) != 0;
    }

    private void setBit(long bitmap, int port, boolean value) {
        byte old = shared.get(ValueLayout.JAVA_BYTE, bitmap + port / 8);
        int bit = 1 << (port % 8);
        shared.set(
                ValueLayout.JAVA_BYTE, bitmap + port / 8, (byte) (value ? old | bit : old & ~bit));
    }
}
