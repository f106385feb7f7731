package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// [MemoryState] as the body of a frame of saved state.
///
/// Version 1: overlays u32, then for each page u32 and gfn u64; words of `gone` u32, then each u64; owned u64;
/// contents u32, then for each page u32 and 512 words u64. Version 2 adds: whether there is more; if so, maximum,
/// pages on demand and highest frame, u64 each; displaced pages u32, then for each page u32 and gfn u64. Version 3 has
/// in place of the words of `gone`: runs u32, then for each its first word u32, words u32, and whether it has all
/// pages; if not, the words, u64 each.
public final class MemoryStateCodec {
    /// The frame type: "MEMO".
    public static final int TYPE = 0x4f4d454d;

    /// The version that [#encode] writes.
    public static final int VERSION = 3;

    private static final int WORDS = GuestMemory.PAGE_SIZE / Long.BYTES;

    /// The most special pages: the fixed ones, shared_info, grant frames, and fewer status frames than those.
    private static final int MAX_PAGES =
            SpecialPages.SHARED_INFO + 1 + 2 * GrantLimits.LARGEST_MAX_FRAMES;

    /// The version since which `gone` is in runs.
    private static final int RUNS_VERSION = 3;

    /// The most words of `gone` in versions 1 and 2: the pages of 1 TiB of RAM.
    private static final int MAX_GONE = 1 << 22;

    /// More than a host has mappings for.
    private static final int MAX_DISPLACED = 1 << 20;

    private MemoryStateCodec() {}

    /// Writes a body of version [#VERSION].
    ///
    /// @param state its pages that are gone fit ([PageRuns#fits])
    public static BodyWriter encode(MemoryState state) {
        BodyWriter body = new BodyWriter().u32(state.overlays().size());
        for (MemoryState.Overlay overlay : state.overlays()) {
            body.u32(overlay.page()).u64(overlay.gfn());
        }
        encode(state.gone(), body);
        body.u64(state.owned()).u32(state.contents().size());
        for (MemoryState.Content content : state.contents()) {
            body.u32(content.page());
            body.u64s(content.words().toArray());
        }
        body.bool(state.further().isPresent());
        state.further().ifPresent(further -> encode(further, body));
        return body;
    }

    private static void encode(PageRuns gone, BodyWriter body) {
        body.u32(gone.runs().size());
        for (PageRuns.Run run : gone.runs()) {
            body.u32(run.from()).u32(run.count()).bool(run.isFull());
            body.u64s(run.words().toArray());
        }
    }

    private static void encode(MemoryState.Further further, BodyWriter body) {
        body.u64(further.max()).u64(further.onDemand()).u64(further.highest());
        body.u32(further.displaced().size());
        for (MemoryState.Displaced displaced : further.displaced()) {
            body.u32(displaced.page()).u64(displaced.gfn());
        }
    }

    /// Reads a body of any version so far.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static MemoryState decode(int version, BodyReader body) throws WireException {
        if (version < 1 || version > VERSION) {
            throw WireException.unknownVersion("memory", version);
        }
        List<MemoryState.Overlay> overlays = new ArrayList<>();
        for (int left = body.count(MAX_PAGES); left > 0; left--) {
            overlays.add(new MemoryState.Overlay(body.count(MAX_PAGES), body.u64()));
        }
        PageRuns gone =
                version < RUNS_VERSION
                        ? PageRuns.of(words(body, body.count(MAX_GONE)))
                        : runs(body);
        long owned = body.u64();
        if (owned < 0) {
            throw new WireException("a domain that owns %d pages".formatted(owned));
        }
        List<MemoryState.Content> contents = new ArrayList<>();
        for (int left = body.count(MAX_PAGES); left > 0; left--) {
            contents.add(new MemoryState.Content(body.count(MAX_PAGES), words(body, WORDS)));
        }
        Optional<MemoryState.Further> further =
                version > 1 && body.bool() ? Optional.of(further(body)) : Optional.empty();
        return new MemoryState(overlays, gone, owned, contents, further);
    }

    private static PageRuns runs(BodyReader body) throws WireException {
        List<PageRuns.Run> runs = new ArrayList<>();
        int room = PageRuns.MAX_WRITTEN;
        try {
            for (int left = body.count(PageRuns.MAX_RUNS); left > 0; left--) {
                int from = body.count(PageRuns.MAX_WORDS);
                int count = body.count(PageRuns.MAX_WORDS);
                boolean full = body.bool();
                if (!full && count > room) {
                    throw new WireException("too many words of pages");
                }
                room -= full ? 0 : count;
                runs.add(
                        new PageRuns.Run(
                                from, count, full ? ImmutableLongArray.of() : words(body, count)));
            }
            return new PageRuns(runs);
        } catch (IllegalArgumentException e) {
            throw new WireException("wrong runs of pages: " + e.getMessage(), e);
        }
    }

    private static MemoryState.Further further(BodyReader body) throws WireException {
        long max = body.u64();
        long onDemand = body.u64();
        long highest = body.u64();
        if (max < 0 || onDemand < 0 || highest < 0) {
            throw new WireException("an account of pages below 0");
        }
        List<MemoryState.Displaced> displaced = new ArrayList<>();
        for (int left = body.count(MAX_DISPLACED); left > 0; left--) {
            displaced.add(new MemoryState.Displaced(body.count(Integer.MAX_VALUE), body.u64()));
        }
        return new MemoryState.Further(max, onDemand, highest, displaced);
    }

    private static ImmutableLongArray words(BodyReader body, int count) throws WireException {
        return ImmutableLongArray.copyOf(body.u64s(count));
    }
}
