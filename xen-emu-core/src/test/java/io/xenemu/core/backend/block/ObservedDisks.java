package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// Disks of a service, of which a test writes to the one that was opened last as its guest would.
public final class ObservedDisks implements BackendKind.Received, BackendKind.Copied {
    private final BlockKind kind;
    private volatile @Nullable BlockBackend last;

    /// @param kind opens them
    public ObservedDisks(BlockKind kind) {
        this.kind = kind;
    }

    /// Writes to the disk.
    ///
    /// @return 0 or an errno
    public int write(long offset, byte[] bytes) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(bytes.length, DiskStore.SECTOR);
            memory.copyFrom(MemorySegment.ofArray(bytes));
            IoVectors vectors = new IoVectors(arena, 1);
            vectors.add(memory.address(), bytes.length);
            return carryOut(vectors, DiskOp.WRITE, offset, bytes.length);
        }
    }

    /// Discards a part of the disk.
    ///
    /// @return 0 or an errno
    public int discard(long offset, long bytes) {
        try (Arena arena = Arena.ofShared()) {
            return carryOut(new IoVectors(arena, 1), DiskOp.DISCARD, offset, bytes);
        }
    }

    private int carryOut(IoVectors vectors, DiskOp op, long offset, long bytes) {
        CompletableFuture<Integer> errno = new CompletableFuture<>();
        DiskTransfer transfer =
                new DiskTransfer(
                        vectors,
                        (_, result) -> {
                            boolean _ = errno.complete(result);
                        });
        transfer.set(op, offset, bytes);
        Objects.requireNonNull(last).store().submit(transfer);
        return errno.join();
    }

    private <T extends BackendDevice> T observed(T opened) {
        last = (BlockBackend) (BackendDevice) opened;
        return opened;
    }

    @Override
    public DeviceKind kind() {
        return kind.kind();
    }

    @Override
    public Handshake handshake() {
        return kind.handshake();
    }

    @Override
    public BackendDevice open(DeviceSpec spec) throws Refused {
        return observed(kind.open(spec));
    }

    @Override
    public BackendDevice.Savable receive(
            int version, BodyReader body, ImmutableIntArray descriptors)
            throws WireException, Refused {
        return observed(kind.receive(version, body, descriptors));
    }

    @Override
    public BackendDevice.Savable reopen(int version, BodyReader body)
            throws WireException, Refused {
        return observed(kind.reopen(version, body));
    }

    @Override
    public BodyWriter encode(DeviceSpec spec) {
        return kind.encode(spec);
    }

    @Override
    public int version() {
        return kind.version();
    }

    @Override
    public String check(int version, BodyReader body, boolean trusts)
            throws WireException, Refused {
        return kind.check(version, body, trusts);
    }

    @Override
    public DeviceSpec decode(int version, BodyReader body) throws WireException {
        return kind.decode(version, body);
    }

    @Override
    public CopyPlace place(int version, BodyReader body, long bytes, boolean replaces)
            throws WireException, Refused {
        return kind.place(version, body, bytes, replaces);
    }

    @Override
    public IncomingDisk copy(int version, BodyReader body, boolean replaces)
            throws WireException, Refused {
        return kind.copy(version, body, replaces);
    }
}
