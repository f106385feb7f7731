package io.xenemu.core.backend.p9;

import com.google.common.primitives.Bytes;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/// Writes and reads the saved state of a share.
///
/// Version 1: number u32; tag, path texts; read-only; security model u8; most open files u32, 0 for the default; most
/// names u32; most MiB u32; auto-delete; connected. If it is connected: most u32; msize u32; rings; Tflush; fids. Each
/// of the last three is a count u32, and then
///
/// - a ring: ref u32; count u32 and refs u32; port u32; outCons u32; inProd u32; broken;
/// - a Tflush: ring u32; tag u16; old tag u16; for each ring an index u32;
/// - a fid: number u32; is root; uid u32; has path; path bytes; inode u64; born s64; nanoseconds u32; qid u64; use.
///
/// A use is a u8: 0 place; 1 open, flags u32; 2 value, bytes; 3 setting, name bytes, flags u32, size u32, written
/// bytes, use.
///
/// Version 2 is that of a mounted share on the way to another process of this host. After msize it has the files: is
/// wide; count u32 and file systems, each a place u8 and device u64; count u32 and files, each a u8: 0 place; 1 parked,
/// path bytes, mode u32, device u64, inode u64, born s64, nanoseconds u32; 2 open, locks u8 (0 none, 1 the file's, 2
/// their own), flags u32, position u64. A use may be 4, the number u32 of a file.
final class P9StateCodec {
    /// The version that [#encode] writes of a state without files.
    static final int VERSION = 1;

    /// The version that [#encode] writes of a state with files.
    static final int WITH_FILES = 2;

    /// A path of the host, and a tag.
    private static final int TEXT_MAX = 4096;

    private static final int PLACE = 0;
    private static final int OPEN = 1;
    private static final int VALUE = 2;
    private static final int SETTING = 3;
    private static final int HANDED = 4;

    private static final int FILE_PLACE = 0;
    private static final int FILE_PARKED = 1;
    private static final int FILE_OPEN = 2;

    private P9StateCodec() {}

    /// The version in which a state is written.
    static int version(P9State state) {
        return state.files() == null ? VERSION : WITH_FILES;
    }

    /// The state's bytes.
    static BodyWriter encode(P9State state) {
        P9Spec spec = state.spec();
        BodyWriter body =
                new BodyWriter()
                        .u32(spec.id().orElseThrow())
                        .string(spec.tag())
                        .string(spec.path())
                        .bool(spec.readOnly())
                        .u8(model(spec.security()))
                        .u32(spec.maxOpenFiles().orElse(0))
                        .u32(spec.quota().files())
                        .u32(spec.quota().mebibytes())
                        .bool(spec.quota().deletesOldest());
        P9State.Connection connection = state.connection();
        body.bool(connection != null);
        if (connection != null) {
            body.u32(connection.most()).u32(connection.msize());
            P9State.Files files = connection.files();
            if (files != null) {
                files(body, files);
            }
            body.u32(connection.rings().size());
            connection.rings().forEach(ring -> ring(body, ring));
            body.u32(connection.flushes().size());
            connection.flushes().forEach(flush -> flush(body, flush));
            body.u32(connection.fids().size());
            connection.fids().forEach(fid -> fid(body, fid));
        }
        return body;
    }

    private static void files(BodyWriter body, P9State.Files files) {
        body.bool(files.systems().isWide()).u32(files.systems().all().size());
        files.systems().all().forEach(one -> body.u8(one.place()).u64(one.device()));
        body.u32(files.all().size());
        files.all().forEach(one -> file(body, one));
    }

    private static void file(BodyWriter body, P9State.Handed file) {
        switch (file) {
            case P9State.Handed.Place() -> body.u8(FILE_PLACE);
            case P9State.Handed.Parked parked ->
                    body.u8(FILE_PARKED)
                            .bytes(Bytes.toArray(parked.path()))
                            .u32(parked.mode())
                            .u64(parked.device())
                            .u64(parked.inode())
                            .u64(parked.born())
                            .u32(parked.bornNanos());
            case P9State.Handed.Open open ->
                    body.u8(FILE_OPEN)
                            .u8(locks(open.locks()))
                            .u32(open.flags())
                            .u64(open.position());
        }
    }

    private static int locks(P9State.Handed.Locks locks) {
        return switch (locks) {
            case NONE -> 0;
            case FILE -> 1;
            case OWN -> 2;
        };
    }

    private static int model(P9SecurityModel model) {
        return switch (model) {
            case NONE -> 0;
            case MAPPED -> 1;
            case PASSTHROUGH -> 2;
        };
    }

    private static void ring(BodyWriter body, P9State.Ring ring) {
        body.u32(ring.ref()).u32(ring.pages().size());
        ring.pages().forEach(body::u32);
        body.u32(ring.port())
                .u32(ring.queue().outCons())
                .u32(ring.queue().inProd())
                .bool(ring.queue().broken());
    }

    private static void flush(BodyWriter body, P9State.Flush flush) {
        body.u32(flush.ring()).u16(flush.tag()).u16(flush.oldTag());
        flush.until().forEach(body::u32);
    }

    private static void fid(BodyWriter body, P9State.Fid fid) {
        P9State.File file = fid.file();
        List<Byte> path = file.path();
        body.u32(fid.fid())
                .bool(fid.isRoot())
                .u32(fid.uid())
                .bool(path != null)
                .bytes(path == null ? new byte[0] : Bytes.toArray(path))
                .u64(file.inode())
                .u64(file.born())
                .u32(file.bornNanos())
                .u64(file.qid());
        use(body, fid.use());
    }

    private static void use(BodyWriter body, P9State.Use use) {
        switch (use) {
            case P9State.Use.Place() -> body.u8(PLACE);
            case P9State.Use.Open(int flags) -> body.u8(OPEN).u32(flags);
            case P9State.Use.Handed(int file) -> body.u8(HANDED).u32(file);
            case P9State.Use.Value(List<Byte> value) -> body.u8(VALUE).bytes(Bytes.toArray(value));
            case P9State.Use.Setting setting -> {
                body.u8(SETTING)
                        .bytes(Bytes.toArray(setting.name()))
                        .u32(setting.flags())
                        .u32(setting.size())
                        .bytes(Bytes.toArray(setting.written()));
                use(body, setting.of());
            }
        }
    }

    /// Reads the state.
    ///
    /// @throws WireException if the version is unknown, or a value is out of range
    static P9State decode(int version, BodyReader body) throws WireException {
        if (version != VERSION && version != WITH_FILES) {
            throw WireException.unknownVersion("9pfs share", version);
        }
        P9Spec spec = spec(body);
        P9State.Connection connection =
                body.bool() ? connection(body, version == WITH_FILES) : null;
        body.end();
        return new P9State(spec, connection);
    }

    private static P9Spec spec(BodyReader body) throws WireException {
        int number = body.count(Integer.MAX_VALUE);
        String tag = body.string(TEXT_MAX);
        String path = body.string(TEXT_MAX);
        boolean readOnly = body.bool();
        P9SecurityModel model =
                switch (body.u8()) {
                    case 0 -> P9SecurityModel.NONE;
                    case 1 -> P9SecurityModel.MAPPED;
                    case 2 -> P9SecurityModel.PASSTHROUGH;
                    default -> throw new WireException("no such security model");
                };
        int openFiles = body.count(P9Limits.MAX_OPEN_FILES);
        P9Quota quota =
                new P9Quota(
                        body.count(Integer.MAX_VALUE), body.count(Integer.MAX_VALUE), body.bool());
        return new P9Spec(
                OptionalInt.of(number),
                tag,
                path,
                readOnly,
                model,
                openFiles == 0 ? OptionalInt.empty() : OptionalInt.of(openFiles),
                quota,
                DeviceSpec.SERVICE);
    }

    private static P9State.Connection connection(BodyReader body, boolean withFiles)
            throws WireException {
        int most = between(body.u32(), P9Server.MSIZE_MIN, P9Server.MSIZE_MAX, "most bytes");
        int msize = body.count(P9Server.MSIZE_MAX);
        P9State.Files files = withFiles ? files(body) : null;
        int handed = files == null ? 0 : files.all().size();
        List<P9State.Ring> rings = new ArrayList<>();
        for (int left = body.count(P9Share.RINGS_MAX); left > 0; left--) {
            rings.add(ring(body));
        }
        if (rings.isEmpty() || (msize != 0 && msize < P9Server.MSIZE_MIN) || msize > most) {
            throw new WireException("a connection without rings, or of a wrong message size");
        }
        List<P9State.Flush> flushes = new ArrayList<>();
        for (int left = body.count(P9Requests.FLUSHES_MAX); left > 0; left--) {
            flushes.add(flush(body, rings.size()));
        }
        List<P9State.Fid> fids = new ArrayList<>();
        for (int left = body.count(P9Limits.DEFAULT_FIDS); left > 0; left--) {
            fids.add(fid(body, handed));
        }
        return new P9State.Connection(most, msize, rings, flushes, fids, files);
    }

    private static P9State.Files files(BodyReader body) throws WireException {
        boolean wide = body.bool();
        List<P9State.FileSystem> systems = new ArrayList<>();
        for (int left = body.count(P9Qid.DEVICES_MAX); left > 0; left--) {
            systems.add(new P9State.FileSystem(body.u8(), body.u64()));
        }
        List<P9State.Handed> files = new ArrayList<>();
        for (int left = body.count(P9Limits.DEFAULT_FIDS); left > 0; left--) {
            files.add(file(body));
        }
        return new P9State.Files(new P9State.FileSystems(wide, systems), files);
    }

    private static P9State.Handed file(BodyReader body) throws WireException {
        return switch (body.u8()) {
            case FILE_PLACE -> new P9State.Handed.Place();
            case FILE_PARKED ->
                    new P9State.Handed.Parked(
                            bytes(body, P9Limits.PARKED_PATH),
                            body.u32(),
                            body.u64(),
                            body.u64(),
                            body.u64(),
                            body.u32());
            case FILE_OPEN -> new P9State.Handed.Open(locks(body.u8()), body.u32(), body.u64());
            default -> throw new WireException("no such file of another process");
        };
    }

    private static P9State.Handed.Locks locks(int code) throws WireException {
        return switch (code) {
            case 0 -> P9State.Handed.Locks.NONE;
            case 1 -> P9State.Handed.Locks.FILE;
            case 2 -> P9State.Handed.Locks.OWN;
            default -> throw new WireException("no such place of locks");
        };
    }

    private static int between(int value, int least, int most, String what) throws WireException {
        if (value < least || value > most) {
            throw new WireException(what + ": " + value);
        }
        return value;
    }

    private static P9State.Ring ring(BodyReader body) throws WireException {
        int ref = body.u32();
        List<Integer> pages = new ArrayList<>();
        for (int left = body.count(1 << P9Queue.ORDER_MAX); left > 0; left--) {
            pages.add(body.u32());
        }
        boolean isPower = Integer.bitCount(pages.size()) == 1;
        if (!isPower || pages.size() < 1 << P9Queue.ORDER_MIN) {
            throw new WireException("a ring of " + pages.size() + " pages");
        }
        return new P9State.Ring(
                ref, pages, body.u32(), new P9State.Queue(body.u32(), body.u32(), body.bool()));
    }

    private static P9State.Flush flush(BodyReader body, int rings) throws WireException {
        int ring = body.count(rings - 1);
        int tag = body.u16();
        int oldTag = body.u16();
        List<Integer> until = new ArrayList<>();
        for (int i = 0; i < rings; i++) {
            until.add(body.u32());
        }
        return new P9State.Flush(ring, tag, oldTag, until);
    }

    private static P9State.Fid fid(BodyReader body, int handed) throws WireException {
        int number = body.u32();
        boolean isRoot = body.bool();
        int uid = body.u32();
        boolean hasPath = body.bool();
        List<Byte> path = bytes(body, P9Limits.PARKED_PATH);
        P9State.File file =
                new P9State.File(
                        hasPath ? path : null, body.u64(), body.u64(), body.u32(), body.u64());
        return new P9State.Fid(number, isRoot, uid, file, use(body, true, handed));
    }

    private static List<Byte> bytes(BodyReader body, int max) throws WireException {
        return Bytes.asList(body.bytes(max));
    }

    /// @param maySet whether it may be the setting of an attribute, which is not one of another
    /// @param handed how many files there are with numbers
    private static P9State.Use use(BodyReader body, boolean maySet, int handed)
            throws WireException {
        int kind = body.u8();
        if (!maySet && (kind == VALUE || kind == SETTING)) {
            throw new WireException("an attribute of an attribute");
        }
        if (kind == HANDED && handed == 0) {
            throw new WireException("a file of another process, which has none");
        }
        return switch (kind) {
            case PLACE -> new P9State.Use.Place();
            case OPEN -> new P9State.Use.Open(body.u32());
            case VALUE -> new P9State.Use.Value(bytes(body, P9Limits.ATTRIBUTE_BYTES));
            case SETTING -> setting(body, handed);
            case HANDED -> new P9State.Use.Handed(body.count(handed - 1));
            default -> throw new WireException("no such use of a file");
        };
    }

    private static P9State.Use setting(BodyReader body, int handed) throws WireException {
        List<Byte> name = bytes(body, P9Reader.NAME_MAX);
        int flags = body.u32();
        int size = body.count(P9Limits.ATTRIBUTE_BYTES);
        return new P9State.Use.Setting(
                name, flags, size, bytes(body, size), use(body, false, handed));
    }
}
