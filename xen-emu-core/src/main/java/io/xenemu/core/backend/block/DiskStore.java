package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.PvDevice;

/// Where the bytes of a disk are. Safe for any number of threads: each queue of a device submits on its own thread.
public interface DiskStore extends AutoCloseable {
    /// The unit of offsets and lengths, bytes.
    int SECTOR = 512;

    /// Tells whose disk it is, for names of threads and for meters, before the first transfer. May be called again,
    /// with the same device.
    void belongsTo(PvDevice device);

    /// What it can do.
    DiskFeatures features();

    /// The size in bytes now, a multiple of [#SECTOR]. It can change only by [#resize].
    long bytes();

    /// Looks whether the store has become larger, such as because its file grew; then [#bytes] is the new size. A store
    /// that has become smaller keeps its size, since the guest cannot be told. May wait for the host.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException if the host cannot tell
    void resize();

    /// Whether one transfer of neighbours is faster than one for each of them. They are joined then.
    boolean isFasterJoined();

    /// Whether acknowledged writes may be in this process alone, or in one that ends with it. Those are to be flushed
    /// before another service has the disk, and nothing may be in progress then.
    boolean keepsWrites();

    /// The offset from `from` on at which it may have data next: what is before reads as zeros. A store that does not
    /// know answers `from`. May wait for the host.
    ///
    /// @return `Long.MAX_VALUE` if all from there on reads as zeros
    /// @throws io.xenemu.kvm.abi.KvmException if the host cannot tell
    long nextData(long from);

    /// Begins an operation, and completes it exactly once, by [DiskTransfer#complete]: before this returns, or later on
    /// any thread. Never throws for a failure of the host or of another process: that is the completion's errno. May
    /// wait while it has as much to do as it can hold.
    ///
    /// The caller has checked the range against [#bytes] and the operation against [#features]; a store that shrank
    /// meanwhile completes with an error.
    ///
    /// @param transfer belongs to the store, with the memory it names, until its completion
    void submit(DiskTransfer transfer);

    /// Ends the operations in progress with an error, if the store can do that without harm: nothing touches their
    /// memory afterwards. Does not wait for it. Other operations go on, and new ones are taken.
    void giveUp();

    /// Releases the store. No operation is in progress: whoever closes it has waited for every completion. Closing
    /// twice is allowed.
    @Override
    void close();
}
