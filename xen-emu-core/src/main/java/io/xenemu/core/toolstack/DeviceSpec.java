package io.xenemu.core.toolstack;

import com.google.common.base.CharMatcher;
import com.google.common.base.Splitter;
import java.util.List;
import java.util.OptionalInt;
import java.util.random.RandomGenerator;

/// An operator's specification of a device.
public sealed interface DeviceSpec permits DiskSpec, NicSpec, P9Spec, ConsoleSpec {
    /// The back end's domain if an operator names none: domain 0, which is the service.
    String SERVICE = "0";

    /// Parses a device of any kind in xl's words; each word may be a part of it.
    ///
    /// @param random makes what the words leave open
    /// @throws Refused if it is malformed, or the device is not supported
    static DeviceSpec parse(DeviceKind kind, List<String> words, RandomGenerator random)
            throws Refused {
        return switch (kind) {
            case VBD -> DiskSpec.parse(words);
            case VIF -> NicSpec.parse(words, random);
            case P9 -> P9Spec.parse(words);
            case CONSOLE -> ConsoleSpec.parse(words);
        };
    }

    /// The parts of words that commas separate, without the empty ones.
    static List<String> parts(List<String> words) {
        return Splitter.on(',')
                .trimResults()
                .omitEmptyStrings()
                .splitToList(String.join(",", words));
    }

    /// Checks the path of a file of the host that is given to a device, and to its nodes.
    ///
    /// @throws Refused if it is relative, since the service has another working directory, or has control characters
    static String path(String value) throws Refused {
        if (!value.startsWith("/") || CharMatcher.javaIsoControl().matchesAnyOf(value)) {
            throw new Refused("wrong path: it has to begin with /, without control characters");
        }
        return value;
    }

    /// The words of a device for a process with another working directory: the paths of its files are absolute.
    static List<String> absolute(DeviceKind kind, List<String> words) {
        return switch (kind) {
            case VBD -> DiskSpec.absolute(words);
            // Their paths begin with / anyway.
            case VIF, P9, CONSOLE -> words;
        };
    }

    /// The device of a clone of the guest that has this one.
    ///
    /// @param random makes what is the clone's own
    /// @throws Refused if two guests cannot have the device
    static DeviceSpec ofClone(DeviceSpec spec, RandomGenerator random) throws Refused {
        return switch (spec) {
            case DiskSpec disk when disk.writable() ->
                    throw new Refused(
                            "the disk %s is writable: several guests would write to %s"
                                    .formatted(disk.vdev(), disk.target()));
            case NicSpec nic -> nic.withMac(MacAddress.random(random));
            case DiskSpec _, P9Spec _, ConsoleSpec _ -> spec;
        };
    }

    /// The kind of device.
    DeviceKind kind();

    /// Name or id of the back end's domain.
    String backend();

    /// Whether domain 0 is to serve it, by its id or its name.
    default boolean isByService() {
        return isService(backend());
    }

    /// Whether a back end's domain is domain 0, by its id or its name.
    static boolean isService(String domain) {
        return domain.equals(SERVICE) || domain.equals("Domain-0");
    }

    /// The device's number, if the operator gave one.
    OptionalInt id();

    /// This specification with the number that the device got.
    DeviceSpec numbered(int id);

    /// The initial nodes of the device.
    DeviceContents contents(PvDevice device);
}
