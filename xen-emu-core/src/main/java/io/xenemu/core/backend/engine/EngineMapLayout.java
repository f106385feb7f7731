package io.xenemu.core.backend.engine;

import io.xenemu.core.backend.engine.EngineMap.Entry;
import io.xenemu.core.backend.engine.EngineMap.Gap;
import io.xenemu.kvm.abi.XenError;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// The binary form of an [EngineMap], little-endian, for programs and for saved state. No bytes at all stand for the
/// default.
///
/// | at | what |
/// |---|---|
/// | 0 | u32: number of entries, 1 to [EngineMap#MAX_ENTRIES] |
/// | 4 | u32: place of the first extension, 0 for none |
/// | 8 | u64: zero |
/// | 16 | the entries: u16 class, u16 instance; 65535 and 65535 for a gap |
/// | | zeros up to a multiple of 8 |
/// | | the extensions, one directly after the other |
///
/// An extension begins with u32 type, u32 size in bytes, a multiple of 8, u32 place of the next extension, 0 for none,
/// and u32 zero. There are at most [#MAX_EXTENSIONS]. No type is known yet, and an unknown one refuses the whole map.
public final class EngineMapLayout {
    /// More than any sensible map needs, so that walking them is short.
    public static final int MAX_EXTENSIONS = 8;

    private static final int HEADER_BYTES = 16;
    private static final int ENTRY_BYTES = 4;
    private static final int EXTENSION_BYTES = 16;
    private static final int ALIGNMENT = 8;
    private static final int INVALID = 0xffff;

    /// The most bytes of a map that can be set. An extension may be as long as the entries.
    public static final int MAX_BYTES =
            (1 + MAX_EXTENSIONS) * (HEADER_BYTES + EngineMap.MAX_ENTRIES * ENTRY_BYTES);

    private EngineMapLayout() {}

    /// The bytes of a map.
    public static byte[] bytes(EngineMap map) {
        if (map.isDefault()) {
            return new byte[0];
        }
        byte[] all = new byte[size(map.entries().size())];
        ByteBuffer bytes = littleEndian(all);
        bytes.putInt(map.entries().size()).putInt(0).putLong(0);
        for (Entry entry : map.entries()) {
            switch (entry) {
                case EngineId(EngineClass type, int instance) ->
                        bytes.putShort((short) type.number()).putShort((short) instance);
                case Gap.GAP -> bytes.putShort((short) INVALID).putShort((short) INVALID);
            }
        }
        return all;
    }

    /// The size of a map without extensions.
    private static int size(int entries) {
        return aligned(HEADER_BYTES + entries * ENTRY_BYTES);
    }

    private static int aligned(int size) {
        return (size + ALIGNMENT - 1) & -ALIGNMENT;
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Reads a map.
    ///
    /// @throws XenError EINVAL: a wrong size, no entry, padding that is not zero, or an extension that is wrong or
    ///     unknown; ENOENT: an entry of a class that does not exist
    public static EngineMap map(byte[] bytes) throws XenError {
        if (bytes.length == 0) {
            return EngineMap.DEFAULT;
        }
        require(bytes.length >= HEADER_BYTES && bytes.length <= MAX_BYTES);
        ByteBuffer in = littleEndian(bytes);
        int count = in.getInt();
        int extension = in.getInt();
        require(count > 0 && count <= EngineMap.MAX_ENTRIES && in.getLong() == 0);
        int size = size(count);
        require(extension == 0 ? bytes.length == size : extension == size);
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            entries.add(
                    entry(Short.toUnsignedInt(in.getShort()), Short.toUnsignedInt(in.getShort())));
        }
        while (in.position() < size) {
            require(in.get() == 0);
        }
        // None is known yet, so that any refuses the map.
        require(extension == 0 || extensions(in, extension).isEmpty());
        return new EngineMap(entries);
    }

    private static Entry entry(int number, int instance) throws XenError {
        if (number == INVALID && instance == INVALID) {
            return Gap.GAP;
        }
        EngineClass type = EngineClass.numbered(number);
        if (type == null || instance > EngineId.MAX_INSTANCE) {
            throw XenError.ENOENT;
        }
        return new EngineId(type, instance);
    }

    /// The types of the extensions. Each ends where the next one begins, so that they form no loop.
    ///
    /// @throws XenError EINVAL if one is wrong, or there are too many
    static List<Integer> extensions(ByteBuffer in, int first) throws XenError {
        List<Integer> types = new ArrayList<>();
        int place = first;
        while (types.size() < MAX_EXTENSIONS) {
            require(in.limit() - place >= EXTENSION_BYTES);
            in.position(place);
            types.add(in.getInt());
            int size = in.getInt();
            int next = in.getInt();
            require(in.getInt() == 0);
            require(size >= EXTENSION_BYTES && size % ALIGNMENT == 0 && size <= in.limit() - place);
            place += size;
            if (next == 0) {
                require(place == in.limit());
                return types;
            }
            require(next == place);
        }
        throw XenError.EINVAL;
    }

    private static void require(boolean isSo) throws XenError {
        if (!isSo) {
            throw XenError.EINVAL;
        }
    }
}
