package io.xenemu.core.vm;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.UserFaultFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A VM without KVM. It records calls, keeps what KVM keeps, refuses what KVM refuses, and raises events in the 2-level
/// ABI; `VmPortKit` compares it with KVM. No code runs in it, and it takes signals of eventfds only from [#signal].
///
/// Thread-safe, like KVM's VM.
public final class FakeVm implements VmPort {
    /// KVM's page of the local APICs, which no memory can replace.
    static final long APIC_PAGE = 0xfee0_0000L;

    static final int PAGE_SIZE = 4096;

    /// `KVM_MAX_IRQ_ROUTES`.
    private static final int MAX_ROUTES = 4096;

    /// A host's physical addresses have 46 bits.
    private static final long ADDRESS_LIMIT = 1L << 46;

    private static final int MAX_VECTOR = 255;
    private static final int MIN_VECTOR = 16;
    private static final int PORTS_64 = 4096;
    private static final int PORTS_32 = 1024;
    private static final int MSI_DESTINATION_SHIFT = 12;

    private static final String XEN_ATTRIBUTE = "KVM_XEN_HVM_SET_ATTR";
    private static final String MEMORY = "KVM_SET_USER_MEMORY_REGION";

    /// The destination of sends on an assigned port.
    public sealed interface Destination {
        record Ipi(VcpuId vcpu) implements Destination {}

        record Loopback(int port, VcpuId vcpu) implements Destination {}

        record Eventfd(int fd) implements Destination {}
    }

    /// An irqfd.
    ///
    /// @param resamplefd -1 for one of an edge-triggered interrupt
    public record Irqfd(int gsi, int resamplefd) {}

    private record Slot(long start, MemorySegment host) {
        long end() {
            return start + host.byteSize();
        }
    }

    private final LongSupplier clock;
    private final List<String> calls = new ArrayList<>();
    private final Map<String, Integer> refusals = new HashMap<>();
    private final Map<Integer, FakeVcpu> vcpus = new TreeMap<>();
    private final Map<Integer, Slot> slots = new TreeMap<>();

    /// The log of each slot that has one.
    private final Map<Integer, BitSet> written = new HashMap<>();

    private volatile Runnable forgotten = () -> {};

    private final Map<Integer, Destination> ports = new TreeMap<>();
    private final Map<Integer, Irqfd> irqfds = new TreeMap<>();
    private List<GsiRoute> routes = List.of();
    private boolean longMode = true;
    private int upcallVector;
    private @Nullable MemorySegment sharedInfo;
    private boolean closed;

    /// A VM whose clock begins now.
    public FakeVm() {
        long created = System.nanoTime();
        clock = () -> System.nanoTime() - created;
    }

    /// A VM whose clock has been set.
    ///
    /// @param clock its nanoseconds
    public FakeVm(LongSupplier clock) {
        this.clock = clock;
    }

    /// Adds a vCPU; vCPU 0 is runnable, the others wait to be started.
    public synchronized FakeVcpu createVcpu(VcpuId id) {
        FakeVcpu vcpu = new FakeVcpu(this, id);
        if (vcpus.putIfAbsent(id.value(), vcpu) != null) {
            throw new KvmException("KVM_CREATE_VCPU", Errno.EEXIST);
        }
        return vcpu;
    }

    /// Makes calls of a method fail from now on.
    ///
    /// @param method its name in [VmPort] or [VcpuPort]
    public synchronized void refuse(String method, int errno) {
        refusals.put(method, errno);
    }

    // Observations for tests.

    /// The calls of the VM and of its vCPUs so far, such as `assignIpi(5, vcpu1)`, without calls that only read.
    public synchronized List<String> calls() {
        return List.copyOf(calls);
    }

    /// The calls of one method so far.
    public synchronized List<String> calls(String method) {
        return calls.stream().filter(call -> call.startsWith(method + "(")).toList();
    }

    /// The vCPU with this number.
    public synchronized FakeVcpu vcpu(int number) {
        FakeVcpu vcpu = vcpus.get(number);
        if (vcpu == null) {
            throw new IllegalArgumentException("no vCPU " + number);
        }
        return vcpu;
    }

    /// The assigned ports.
    public synchronized Map<Integer, Destination> ports() {
        return Map.copyOf(ports);
    }

    /// The irqfds by the eventfd's descriptor.
    public synchronized Map<Integer, Irqfd> irqfds() {
        return Map.copyOf(irqfds);
    }

    /// The routes to event channels.
    public synchronized List<GsiRoute> eventRoutes() {
        return routes.stream().filter(GsiRoute.XenEvtchn.class::isInstance).toList();
    }

    /// The domain's width as the VM knows it.
    public synchronized boolean isLongMode() {
        return longMode;
    }

    /// The vector of HVM_PARAM_CALLBACK_IRQ; 0 for none.
    public synchronized int upcallVector() {
        return upcallVector;
    }

    /// Whether the VM has been closed.
    public synchronized boolean isClosed() {
        return closed;
    }

    /// Signals an eventfd. If it is an irqfd, the VM takes the signal before any reader, as KVM does.
    public void signal(EventFd eventFd) {
        if (!raise(eventFd.fd())) {
            eventFd.signal();
        }
    }

    private synchronized boolean raise(int eventfd) {
        Irqfd irqfd = irqfds.get(eventfd);
        if (irqfd == null) {
            return false;
        }
        for (GsiRoute route : routes) {
            if (route instanceof GsiRoute.XenEvtchn(int gsi, int port, VcpuId vcpu)
                    && gsi == irqfd.gsi) {
                boolean _ = deliver(port, vcpu);
            }
        }
        return true;
    }

    // Xen.

    @Override
    public synchronized void longMode(boolean on) {
        called(XEN_ATTRIBUTE, "longMode", on);
        longMode = on;
        writeWallClock();
    }

    @Override
    public synchronized void sharedInfoGfn(long gfn) {
        called(XEN_ATTRIBUTE, "sharedInfoGfn", gfn);
        if (gfn == INVALID_GFN) {
            sharedInfo = null;
            return;
        }
        sharedInfo = required(XEN_ATTRIBUTE, gfn * PAGE_SIZE, PAGE_SIZE);
        writeWallClock();
    }

    @Override
    public synchronized void sharedInfoHva(MemorySegment page) {
        called(XEN_ATTRIBUTE, "sharedInfoHva", page);
        requireAligned(XEN_ATTRIBUTE, page.address());
        sharedInfo = page;
        writeWallClock();
    }

    private void writeWallClock() {
        if (sharedInfo != null) {
            new TwoLevelEvents(longMode, sharedInfo)
                    .writeWallClock(Instant.now().minusNanos(clock()));
        }
    }

    @Override
    public synchronized void upcallVector(int vector) {
        called(XEN_ATTRIBUTE, "upcallVector", vector);
        requireVector(XEN_ATTRIBUTE, vector);
        upcallVector = vector;
    }

    @Override
    public synchronized void runstateUpdateFlag(boolean on) {
        called(XEN_ATTRIBUTE, "runstateUpdateFlag", on);
    }

    @Override
    public synchronized void assignIpi(int port, VcpuId vcpu) {
        called(XEN_ATTRIBUTE, "assignIpi", port, vcpu);
        assign(port, new Destination.Ipi(vcpu));
    }

    @Override
    public synchronized void assignLoopback(int sendPort, int deliverPort, VcpuId vcpu) {
        called(XEN_ATTRIBUTE, "assignLoopback", sendPort, deliverPort, vcpu);
        requirePort(XEN_ATTRIBUTE, deliverPort);
        assign(sendPort, new Destination.Loopback(deliverPort, vcpu));
    }

    @Override
    public synchronized void updateLoopback(int sendPort, int deliverPort, VcpuId vcpu) {
        called(XEN_ATTRIBUTE, "updateLoopback", sendPort, deliverPort, vcpu);
        requirePort(XEN_ATTRIBUTE, sendPort);
        switch (ports.get(sendPort)) {
            case null -> throw new KvmException(XEN_ATTRIBUTE, Errno.ENOENT);
            case Destination.Loopback(int port, _) when port == deliverPort ->
                    ports.put(sendPort, new Destination.Loopback(deliverPort, vcpu));
            default -> throw new KvmException(XEN_ATTRIBUTE, Errno.EINVAL);
        }
    }

    @Override
    public synchronized void assignEventfd(int sendPort, int eventfd) {
        called(XEN_ATTRIBUTE, "assignEventfd", sendPort, eventfd);
        assign(sendPort, new Destination.Eventfd(eventfd));
    }

    private void assign(int port, Destination destination) {
        requirePort(XEN_ATTRIBUTE, port);
        if (ports.putIfAbsent(port, destination) != null) {
            throw new KvmException(XEN_ATTRIBUTE, Errno.EEXIST);
        }
    }

    @Override
    public synchronized void deassignPort(int sendPort) {
        called(XEN_ATTRIBUTE, "deassignPort", sendPort);
        requirePort(XEN_ATTRIBUTE, sendPort);
        if (ports.remove(sendPort) == null) {
            throw new KvmException(XEN_ATTRIBUTE, Errno.ENOENT);
        }
    }

    @Override
    public synchronized void resetPorts() {
        called(XEN_ATTRIBUTE, "resetPorts");
        ports.clear();
    }

    @Override
    public synchronized void xenEvtchnSend(int port, VcpuId vcpu) {
        called("KVM_XEN_HVM_EVTCHN_SEND", "xenEvtchnSend", port, vcpu);
        requirePort("KVM_XEN_HVM_EVTCHN_SEND", port);
        if (!deliver(port, vcpu)) {
            throw new KvmException("KVM_XEN_HVM_EVTCHN_SEND", Errno.EINVAL);
        }
    }

    /// Raises an event.
    ///
    /// @return false if KVM would drop it, as it has no place for it
    synchronized boolean deliver(int port, VcpuId id) {
        FakeVcpu vcpu = vcpus.get(id.value());
        MemorySegment info = vcpu == null ? null : vcpu.vcpuInfo();
        if (vcpu == null || info == null || sharedInfo == null || !isPort(port)) {
            return false;
        }
        if (new TwoLevelEvents(longMode, sharedInfo).raise(port, info)) {
            vcpu.upcall();
        }
        return true;
    }

    @Override
    public synchronized void servePolls(boolean on) {
        called("KVM_XEN_HVM_CONFIG", "servePolls", on);
    }

    // Interrupts.

    /// Takes a route to any port, as KVM does; its events are dropped while there is no such port. Kernels that have
    /// not taken over that change refuse a port beyond the limit with EINVAL.
    @Override
    public synchronized void setGsiRouting(List<GsiRoute> all) {
        called("KVM_SET_GSI_ROUTING", "setGsiRouting", all.size());
        if (all.size() > MAX_ROUTES) {
            throw new KvmException("KVM_SET_GSI_ROUTING", Errno.EINVAL);
        }
        routes = List.copyOf(all);
    }

    @Override
    public synchronized void assignIrqfd(int eventfd, int gsi) {
        called("KVM_IRQFD", "assignIrqfd", eventfd, gsi);
        assign(eventfd, new Irqfd(gsi, -1));
    }

    @Override
    public synchronized void assignResampleIrqfd(int eventfd, int gsi, int resamplefd) {
        called("KVM_IRQFD", "assignResampleIrqfd", eventfd, gsi, resamplefd);
        assign(eventfd, new Irqfd(gsi, resamplefd));
    }

    private void assign(int eventfd, Irqfd irqfd) {
        if (irqfds.putIfAbsent(eventfd, irqfd) != null) {
            throw new KvmException("KVM_IRQFD", Errno.EBUSY);
        }
    }

    /// As in KVM, it is no error if there is no such irqfd.
    @Override
    public synchronized void deassignIrqfd(int eventfd, int gsi) {
        called("KVM_IRQFD", "deassignIrqfd", eventfd, gsi);
        Irqfd irqfd = irqfds.get(eventfd);
        if (irqfd != null && irqfd.gsi == gsi) {
            irqfds.remove(eventfd);
        }
    }

    @Override
    public synchronized void irqLine(int gsi, boolean level) {
        called("KVM_IRQ_LINE", "irqLine", gsi, level);
    }

    @Override
    public synchronized boolean signalMsi(long address, int data) {
        called("KVM_SIGNAL_MSI", "signalMsi", Long.toHexString(address), data);
        int apicId = (int) (address >>> MSI_DESTINATION_SHIFT) & MAX_VECTOR;
        return vcpus.values().stream()
                .anyMatch(vcpu -> vcpu.apicId() == apicId && vcpu.interrupt(data & MAX_VECTOR));
    }

    // Memory.

    @Override
    public GuestView view(Arena arena, MemFd memory, long offset, long bytes, boolean readOnly) {
        return LocalView.of(arena, memory, offset, bytes, readOnly);
    }

    @Override
    public synchronized void setMemoryRegion(
            int slot, long guestAddress, GuestView view, long bytes) {
        MemorySegment host = view.here().orElseThrow().asSlice(0, bytes);
        called(MEMORY, "setMemoryRegion", slot, Long.toHexString(guestAddress), host.byteSize());
        requireAligned(MEMORY, guestAddress | host.byteSize() | host.address());
        if (slots.containsKey(slot)) {
            throw new IllegalArgumentException("the service moves no slot: " + slot);
        }
        long end = guestAddress + host.byteSize();
        if (guestAddress < 0 || end < guestAddress || end > ADDRESS_LIMIT) {
            throw new KvmException(MEMORY, Errno.EINVAL);
        }
        boolean overDevice = guestAddress < APIC_PAGE + PAGE_SIZE && end > APIC_PAGE;
        boolean overSlot =
                slots.values().stream().anyMatch(s -> guestAddress < s.end() && end > s.start);
        if (overDevice || overSlot) {
            throw new KvmException(MEMORY, Errno.EEXIST);
        }
        slots.put(slot, new Slot(guestAddress, asKvmSees(host)));
    }

    /// The memory as KVM sees it. KVM checks the pages' own rights, not those of Java's view, so a page shown in a hole
    /// can be written.
    @SuppressWarnings("restricted")
    private static MemorySegment asKvmSees(MemorySegment host) {
        // SAFETY: the caller keeps the memory mapped while the slot exists, and only shown pages
        // are written.
        return host.isReadOnly()
                ? MemorySegment.ofAddress(host.address()).reinterpret(host.byteSize())
                : host;
    }

    @Override
    public synchronized void deleteMemoryRegion(int slot) {
        called(MEMORY, "deleteMemoryRegion", slot);
        if (slots.remove(slot) == null) {
            throw new KvmException(MEMORY, Errno.EINVAL);
        }
    }

    @Override
    public synchronized void logWrites(int slot, long guestAddress, GuestView view, boolean on) {
        MemorySegment host = view.here().orElseThrow();
        called(MEMORY, "logWrites", slot, on);
        Slot known = slots.get(slot);
        if (known == null
                || known.start != guestAddress
                || known.host.address() != host.address()
                || known.host.byteSize() != host.byteSize()) {
            throw new IllegalArgumentException("the service moves no slot: " + slot);
        }
        if (on) {
            BitSet all = new BitSet();
            all.set(0, Math.toIntExact(host.byteSize() / PAGE_SIZE));
            written.putIfAbsent(slot, all);
        } else {
            written.remove(slot);
        }
    }

    private BitSet log(String ioctl, int slot) {
        BitSet log = written.get(slot);
        if (log == null) {
            throw new KvmException(ioctl, Errno.ENOENT);
        }
        return log;
    }

    @Override
    public synchronized void writtenPages(int slot, MemorySegment bitmap) {
        long[] words = log("KVM_GET_DIRTY_LOG", slot).toLongArray();
        bitmap.fill((byte) 0);
        MemorySegment.copy(words, 0, bitmap, ValueLayout.JAVA_LONG, 0, words.length);
    }

    /// Runs whenever pages have been taken out of the log, as a guest may at that moment.
    public void whenForgotten(Runnable then) {
        forgotten = then;
    }

    @Override
    public void forgetWritten(int slot, long firstPage, int pages, MemorySegment bitmap) {
        forget(slot, firstPage, pages, bitmap);
        forgotten.run();
    }

    private synchronized void forget(int slot, long firstPage, int pages, MemorySegment bitmap) {
        BitSet log = log("KVM_CLEAR_DIRTY_LOG", slot);
        Slot known = Objects.requireNonNull(slots.get(slot));
        long end = known.host.byteSize() / PAGE_SIZE;
        boolean isAligned =
                firstPage % Long.SIZE == 0 && (pages % Long.SIZE == 0 || firstPage + pages == end);
        if (!isAligned || firstPage + pages > end) {
            throw new KvmException("KVM_CLEAR_DIRTY_LOG", Errno.EINVAL);
        }
        BitSet given = BitSet.valueOf(bitmap.asByteBuffer());
        given.stream()
                .filter(page -> page < pages)
                .forEach(page -> log.clear(Math.toIntExact(firstPage) + page));
    }

    /// A write by the guest, which the VM logs if it is to.
    public void guestWrites(long gpa, byte[] bytes) {
        MemorySegment place = memory(gpa, bytes.length);
        if (place != null && !place.isReadOnly()) {
            // A page may be missing: then the guest waits, and nobody else.
            UserFaultFd.populate(place.address(), bytes.length);
        }
        write(gpa, bytes);
    }

    /// A word as the guest sees it, through the slots.
    public long guestReads(long gpa) {
        MemorySegment place = memory(gpa, Long.BYTES);
        if (place == null) {
            throw new IllegalArgumentException("no memory at %#x".formatted(gpa));
        }
        return place.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    private synchronized void write(long gpa, byte[] bytes) {
        for (Map.Entry<Integer, Slot> entry : slots.entrySet()) {
            Slot slot = entry.getValue();
            if (gpa >= slot.start && gpa + bytes.length <= slot.end()) {
                long offset = gpa - slot.start;
                MemorySegment.copy(
                        bytes, 0, slot.host, ValueLayout.JAVA_BYTE, offset, bytes.length);
                BitSet log = written.get(entry.getKey());
                if (log != null) {
                    log.set(
                            Math.toIntExact(offset / PAGE_SIZE),
                            Math.toIntExact((offset + bytes.length - 1) / PAGE_SIZE) + 1);
                }
                return;
            }
        }
        throw new IllegalArgumentException("no memory at %#x".formatted(gpa));
    }

    /// The memory at a guest-physical address, or null if it is not all in one slot.
    synchronized @Nullable MemorySegment memory(long gpa, long size) {
        for (Slot slot : slots.values()) {
            if (gpa >= slot.start && gpa < slot.end()) {
                boolean fits = size <= slot.end() - gpa;
                return fits ? slot.host.asSlice(gpa - slot.start, size) : null;
            }
        }
        return null;
    }

    private MemorySegment required(String ioctl, long gpa, long size) {
        MemorySegment found = memory(gpa, size);
        if (found == null) {
            throw new KvmException(ioctl, Errno.EFAULT);
        }
        return found;
    }

    // Time.

    @Override
    public long clock() {
        return clock.getAsLong();
    }

    @Override
    public synchronized void close() {
        closed = true;
        slots.clear();
        sharedInfo = null;
    }

    // KVM's checks.

    /// Records a call.
    ///
    /// @throws KvmException if the test wants it refused
    /// @throws IllegalStateException after the end of the VM, as for a closed descriptor
    synchronized void called(String ioctl, String method, Object... arguments) {
        if (closed) {
            throw new IllegalStateException(method + " of a closed VM");
        }
        calls.add(
                Arrays.stream(arguments)
                        .map(String::valueOf)
                        .collect(Collectors.joining(", ", method + "(", ")")));
        Integer errno = refusals.get(method);
        if (errno != null) {
            throw new KvmException(ioctl, errno);
        }
    }

    private int portLimit() {
        return longMode ? PORTS_64 : PORTS_32;
    }

    private boolean isPort(int port) {
        return port > 0 && port < portLimit();
    }

    private void requirePort(String ioctl, int port) {
        if (!isPort(port)) {
            throw new KvmException(ioctl, Errno.EINVAL);
        }
    }

    static void requireVector(String ioctl, int vector) {
        if (vector != 0 && (vector < MIN_VECTOR || vector > MAX_VECTOR)) {
            throw new KvmException(ioctl, Errno.EINVAL);
        }
    }

    private static void requireAligned(String ioctl, long addresses) {
        if (addresses % PAGE_SIZE != 0) {
            throw new KvmException(ioctl, Errno.EINVAL);
        }
    }
}
