package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A guest that uses the FIFO ABI, with the consumer's side of it as Linux has it, written from the public header
/// alone.
final class FifoGuest {
    static final int PENDING = 0x8000_0000;
    static final int MASKED = 0x4000_0000;
    static final int LINKED = 0x2000_0000;
    static final int BUSY = 0x1000_0000;
    static final int LINK = 0x1_ffff;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final long CONTROL_GFN = 0x1000;
    private static final long ARRAY_GFN = 0x2000;

    final FakeGuest guest;
    private final Arena arena;
    private final List<MemorySegment> array = new ArrayList<>();
    private final MemorySegment control;

    /// The guest's own copies of the heads, as Linux keeps them.
    private final int[][] heads;

    /// The bits that it has taken from `ready` and not served yet.
    private final int[] ready;

    FifoGuest(Arena arena, int vcpus) {
        this(arena, GuestWidth.BITS_64, vcpus, FakeGuest.ID, null);
    }

    FifoGuest(Arena arena, GuestWidth width, int vcpus, DomId id, @Nullable FakeGuest host) {
        this.arena = arena;
        EvtchnOptions options = EvtchnOptions.of(vcpus).withFifo(true);
        guest = new FakeGuest(arena, width, options, id, host);
        control = arena.allocate(4096, 4096);
        heads = new int[vcpus][16];
        ready = new int[vcpus];
        guest.pages.put(CONTROL_GFN, control);
    }

    /// All control blocks, and `pages` pages of event words.
    FifoGuest start(int pages) throws XenError {
        forget();
        for (int i = 0; i < heads.length; i++) {
            initControl(i);
        }
        for (int i = 0; i < pages; i++) {
            expand();
        }
        return this;
    }

    /// Clears everything, as a guest does between two uses of the ABI.
    void forget() {
        control.fill((byte) 0);
        array.clear();
        for (int i = 0; i < heads.length; i++) {
            Arrays.fill(heads[i], 0);
            ready[i] = 0;
        }
    }

    boolean hasWord(int port) {
        return port / 1024 < array.size();
    }

    void initControl(int vcpu) throws XenError {
        guest.channels.initControl(FakeGuest.vcpu(vcpu), CONTROL_GFN, offset(vcpu));
    }

    void expand() throws XenError {
        MemorySegment page = arena.allocate(4096, 4096);
        // As Linux does: nothing is delivered before the port is set up.
        page.fill((byte) 0);
        long gfn = ARRAY_GFN + array.size();
        guest.pages.put(gfn, page);
        array.add(page);
        guest.channels.expandArray(gfn);
    }

    private static int offset(int vcpu) {
        return vcpu * 72;
    }

    int word(int port) {
        return (int) WORD.getVolatile(array.get(port / 1024), port % 1024 * 4L);
    }

    void setWord(int port, int word) {
        WORD.setVolatile(array.get(port / 1024), port % 1024 * 4L, word);
    }

    private int or(int port, int bits) {
        return (int) WORD.getAndBitwiseOr(array.get(port / 1024), port % 1024 * 4L, bits);
    }

    private int and(int port, int bits) {
        return (int) WORD.getAndBitwiseAnd(array.get(port / 1024), port % 1024 * 4L, bits);
    }

    boolean pending(int port) {
        return (word(port) & PENDING) != 0;
    }

    boolean linked(int port) {
        return (word(port) & LINKED) != 0;
    }

    void mask(int port) {
        or(port, MASKED);
    }

    int ready(int vcpu) {
        return (int) WORD.getVolatile(control, (long) offset(vcpu));
    }

    int head(int vcpu, int priority) {
        return (int) WORD.getVolatile(control, offset(vcpu) + 8L + 4L * priority);
    }

    void ready(int vcpu, int value) {
        WORD.setVolatile(control, (long) offset(vcpu), value);
    }

    /// Takes every event, the most urgent first, as an upcall handler does.
    ///
    /// @return the ports, in order
    List<Integer> consume(int vcpu) {
        return consume(vcpu, Integer.MAX_VALUE);
    }

    /// An upcall handler that is interrupted after some events.
    List<Integer> consume(int vcpu, int most) {
        List<Integer> taken = new ArrayList<>();
        guest.vcpuInfos[vcpu].set(ValueLayout.JAVA_BYTE, 0, (byte) 0);
        for (int i = 0; i < most; i++) {
            ready[vcpu] |= (int) WORD.getAndSet(control, (long) offset(vcpu), 0);
            if (ready[vcpu] == 0) {
                break;
            }
            int priority = Integer.numberOfTrailingZeros(ready[vcpu]);
            consumeOne(vcpu, priority, taken);
            if (heads[vcpu][priority] == 0) {
                ready[vcpu] &= ~(1 << priority);
            }
        }
        return taken;
    }

    private void consumeOne(int vcpu, int priority, List<Integer> taken) {
        int port = heads[vcpu][priority];
        if (port == 0) {
            port = head(vcpu, priority);
        }
        heads[vcpu][priority] = and(port, ~(LINKED | LINK)) & LINK;
        int word = word(port);
        if ((word & PENDING) != 0 && (word & MASKED) == 0) {
            and(port, ~PENDING);
            taken.add(port);
        }
    }
}
