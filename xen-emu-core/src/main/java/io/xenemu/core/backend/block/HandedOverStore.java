package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import java.util.Optional;

/// A store that another process of this service can take over, while no operation is in progress and nothing is to be
/// flushed that is in this process alone.
public interface HandedOverStore extends DiskStore {
    /// The reason for which another process cannot have it; empty if it can. Does not wait.
    Optional<String> stays();

    /// The descriptors by which [DiskOpener#received] opens it in another process. They stay this store's.
    ImmutableIntArray descriptors();

    /// Another process has it now: [#close] ends nothing that it uses.
    void handedOver();
}
