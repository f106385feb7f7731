package io.xenemu.core.guest;

import com.google.common.base.CharMatcher;
import io.xenemu.core.backend.engine.EngineMapState;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainConfigCodec;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/// Encodes and decodes the request of a saved guest, by which a restored one reboots as the first would.
///
/// The guest's devices are not in it: a reboot keeps those that its domain has then, which the domain's state contains.
/// Nor are the contents of the files, which are sections of their own in a saved file.
final class GuestRequestCodec {
    /// Frame type "GREQ".
    ///
    /// Version 1: domain id u16; version of the configuration's layout u32, and the configuration
    /// ([DomainConfigCodec]); vCPUs that are used at first u32; the kernel's path; modules u32, then an argument for
    /// each; the kernel's command line; VM generation id 2 x u64, the lower half first; the clock's offset in seconds
    /// s64; local time; the words of the actions after poweroff, reboot, crash, watchdog and soft reset; overcommit;
    /// version of the map of engines u32, length u32, and the map ([EngineMapState]).
    static final int TYPE = 0x51455247;

    /// The version that [#encode] writes.
    static final int VERSION = 1;

    /// As many as `boot` gives to a kernel.
    private static final int MAX_MODULES = 64;

    /// The longest path or command line, in bytes. A request on the control socket is not longer.
    private static final int MAX_TEXT = 64 << 10;

    private static final int MAX_WORD = 64;

    private GuestRequestCodec() {}

    /// The body of the frame.
    ///
    /// @param id of the guest's domain
    static BodyWriter encode(DomId id, GuestRequest request) {
        BodyWriter body = new BodyWriter().u16(id.value()).u32(DomainConfigCodec.VERSION);
        DomainConfigCodec.put(body, request.config())
                .u32(request.onlineVcpus())
                .string(request.kernel().toString())
                .u32(request.modules().size());
        request.modules().forEach(body::string);
        PlatformSettings platform = request.platform();
        EndActions ends = request.ends();
        return body.string(request.commandLine())
                .u64(platform.generation().low())
                .u64(platform.generation().high())
                .u64(platform.rtcOffsetSeconds())
                .bool(platform.localTime())
                .string(ends.powerOff().word())
                .string(ends.reboot().word())
                .string(ends.crash().word())
                .string(ends.watchdog().word())
                .string(ends.softReset().word())
                .bool(request.overcommit())
                .u32(EngineMapState.VERSION)
                .bytes(new EngineMapState(request.engines()).encode().toBytes());
    }

    /// Reads such a body.
    ///
    /// @return the request, whose domain id is that of the saved domain
    /// @throws WireException for another version, or values that no guest can have
    static GuestRequest decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("guest", version);
        }
        try {
            return request(body);
        } catch (InvalidPathException e) {
            throw new WireException("the kernel of the guest has no path", e);
        } catch (IllegalArgumentException e) {
            // It may have a text of the file.
            String message = String.valueOf(e.getMessage());
            throw new WireException(CharMatcher.javaIsoControl().replaceFrom(message, '?'), e);
        }
    }

    private static GuestRequest request(BodyReader body) throws WireException {
        DomId id = new DomId(body.u16());
        if (id.value() < 1 || id.value() >= DomId.FIRST_RESERVED) {
            throw new WireException(id.value() + " is not the id of a guest");
        }
        int layout = body.count(DomainConfigCodec.VERSION);
        DomainConfig config = DomainConfigCodec.get(layout, body);
        int online = body.count(config.vcpus());
        Path kernel = Path.of(body.string(MAX_TEXT));
        List<String> modules = new ArrayList<>();
        for (int left = body.count(MAX_MODULES); left > 0; left--) {
            modules.add(body.string(MAX_TEXT));
        }
        String commandLine = body.string(MAX_TEXT);
        PlatformSettings platform =
                new PlatformSettings(
                        new GenerationId(body.u64(), body.u64()), body.u64(), body.bool());
        EndActions ends =
                new EndActions(
                        action(body, EndAction::parse),
                        action(body, EndAction::parse),
                        action(body, EndAction::parse),
                        action(body, EndAction::parse),
                        action(body, EndAction::parseReset));
        boolean overcommit = body.bool();
        int mapVersion = body.u32();
        byte[] map = body.bytes(body.remaining());
        return new GuestRequest(
                config,
                online,
                kernel,
                modules,
                commandLine,
                platform,
                ends,
                List.of(),
                overcommit,
                EngineMapState.decode(mapVersion, new BodyReader(map)).map(),
                id,
                null);
    }

    private static EndAction action(BodyReader body, Function<String, EndAction> parser)
            throws WireException {
        try {
            return parser.apply(body.string(MAX_WORD));
        } catch (IllegalArgumentException e) {
            throw new WireException("an action after a stop is unknown", e);
        }
    }
}
