package io.xenemu.core.domain;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.gnttab.GrantLimits;
import java.util.UUID;

/// What a domain is made of, besides its kernel.
///
/// @param name unique among the domains of the service; no number, which would be an id
/// @param uuid the domain's handle
/// @param memoryBytes RAM
/// @param vcpus number of vCPUs, 1 to 128
/// @param xenVersion what XENVER_version answers: major in the upper 16 bits
/// @param grants its grant table, and how much it may map of others
/// @param events what its event channels may be used for
public record DomainConfig(
        String name,
        UUID uuid,
        long memoryBytes,
        int vcpus,
        int xenVersion,
        GrantLimits grants,
        EventChannelConfig events) {
    /// @throws IllegalArgumentException if no domain can be made of it
    public DomainConfig {
        if (name.isEmpty()
                || name.indexOf('/') >= 0
                || name.chars().anyMatch(Character::isISOControl)) {
            throw new IllegalArgumentException("'" + name + "' cannot be a domain's name");
        }
        if (isId(name)) {
            throw new IllegalArgumentException(
                    "'" + name + "' is a number, which stands for a domain's id");
        }
        int length = name.getBytes(UTF_8).length;
        if (length > MAX_NAME_BYTES) {
            throw new IllegalArgumentException(
                    "a name of "
                            + length
                            + " bytes: a domain's has "
                            + MAX_NAME_BYTES
                            + " at most");
        }
        if (vcpus < 1 || vcpus > MAX_VCPUS) {
            throw new IllegalArgumentException(vcpus + " vCPUs: there can be 1 to " + MAX_VCPUS);
        }
        if (memoryBytes <= 0) {
            throw new IllegalArgumentException(memoryBytes + " bytes of memory");
        }
    }

    /// Whether the guest is told that it runs on this release of Xen or a later one: some answers have changed.
    public boolean isXenFrom(int major, int minor) {
        return xenVersion >= (major << 16 | minor);
    }

    /// The same for another domain.
    public DomainConfig sibling(String otherName) {
        return new DomainConfig(
                otherName, UUID.randomUUID(), memoryBytes, vcpus, xenVersion, grants, events);
    }

    /// Whether an operator means a domain's id by this: digits alone, as under xl.
    public static boolean isId(String name) {
        return !name.isEmpty() && name.chars().allMatch(it -> it >= '0' && it <= '9');
    }

    /// What fits into the name of a memfd (249 bytes) with a prefix that says what it is for.
    public static final int MAX_NAME_BYTES = 200;

    /// HVM_MAX_VCPUS of Xen.
    public static final int MAX_VCPUS = 128;
}
