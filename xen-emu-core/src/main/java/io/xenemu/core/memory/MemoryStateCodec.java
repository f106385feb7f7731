package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// [MemoryState] as the body of a frame of saved state.
///
/// Version 1: overlays u32, then for each page u32 and gfn u64; words of `gone` u32, then each u64; owned u64;
/// contents u32, then for each page u32 and 512 words u64.
public final class MemoryStateCodec {
    /// The frame type: "MEMO".
    public static final int TYPE = 0x4f4d454d;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    private static final int WORDS = GuestMemory.PAGE_SIZE / Long.BYTES;

    /// The most special pages: the fixed ones, shared_info, grant frames, and fewer status frames than those.
    private static final int MAX_PAGES =
            SpecialPages.SHARED_INFO + 1 + 2 * GrantLimits.LARGEST_MAX_FRAMES;

    /// Words for the pages of 1 TiB of RAM, more than a domain can have.
    private static final int MAX_GONE = 1 << 22;

    private MemoryStateCodec() {}

    /// Writes a body of version [#VERSION].
    public static BodyWriter encode(MemoryState state) {
        BodyWriter body = new BodyWriter().u32(state.overlays().size());
        for (MemoryState.Overlay overlay : state.overlays()) {
            body.u32(overlay.page()).u64(overlay.gfn());
        }
        body.u32(state.gone().length());
        state.gone().forEach(body::u64);
        body.u64(state.owned()).u32(state.contents().size());
        for (MemoryState.Content content : state.contents()) {
            body.u32(content.page());
            content.words().forEach(body::u64);
        }
        return body;
    }

    /// Reads a body of any version so far.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static MemoryState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("memory", version);
        }
        List<MemoryState.Overlay> overlays = new ArrayList<>();
        for (int left = body.count(MAX_PAGES); left > 0; left--) {
            overlays.add(new MemoryState.Overlay(body.count(MAX_PAGES), body.u64()));
        }
        ImmutableLongArray gone = words(body, body.count(MAX_GONE));
        long owned = body.u64();
        if (owned < 0) {
            throw new WireException("a domain that owns %d pages".formatted(owned));
        }
        List<MemoryState.Content> contents = new ArrayList<>();
        for (int left = body.count(MAX_PAGES); left > 0; left--) {
            contents.add(new MemoryState.Content(body.count(MAX_PAGES), words(body, WORDS)));
        }
        return new MemoryState(overlays, gone, owned, contents);
    }

    private static ImmutableLongArray words(BodyReader body, int count) throws WireException {
        ImmutableLongArray.Builder words = ImmutableLongArray.builder();
        for (int i = 0; i < count; i++) {
            words.add(body.u64());
        }
        return words.build();
    }
}
