package io.xenemu.core.domain;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.gnttab.GrantLimits;
import java.util.UUID;

/// The configuration of a domain, without its kernel.
///
/// @param name unique among the domains of the service; not a number, which would be an id
/// @param uuid the domain's handle
/// @param memoryBytes the memory that it has at first
/// @param maxMemoryBytes the RAM that it sees, and the most that it can ever have: at least `memoryBytes`
/// @param vcpus number of vCPUs, 1 to 128
/// @param xenVersion the answer of XENVER_version: major in the upper 16 bits
/// @param grants the limits of its grant table and of its mappings of other domains' grants
/// @param events the limits of its event channels
/// @param cpu the processor that it sees; a built domain's has the policy that the host has offered it
public record DomainConfig(
        String name,
        UUID uuid,
        long memoryBytes,
        long maxMemoryBytes,
        int vcpus,
        int xenVersion,
        GrantLimits grants,
        EventChannelConfig events,
        CpuConfig cpu) {
    /// @throws IllegalArgumentException if no domain can have this configuration
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
        if (maxMemoryBytes < memoryBytes) {
            throw new IllegalArgumentException(
                    "%d bytes of memory are more than the maximum of %d"
                            .formatted(memoryBytes, maxMemoryBytes));
        }
    }

    /// A domain that sees the memory that it has.
    public DomainConfig(
            String name,
            UUID uuid,
            long memoryBytes,
            int vcpus,
            int xenVersion,
            GrantLimits grants,
            EventChannelConfig events) {
        this(name, uuid, memoryBytes, memoryBytes, vcpus, xenVersion, grants, events);
    }

    /// A domain that sees this host's processor.
    public DomainConfig(
            String name,
            UUID uuid,
            long memoryBytes,
            long maxMemoryBytes,
            int vcpus,
            int xenVersion,
            GrantLimits grants,
            EventChannelConfig events) {
        this(
                name,
                uuid,
                memoryBytes,
                maxMemoryBytes,
                vcpus,
                xenVersion,
                grants,
                events,
                CpuConfig.DEFAULT);
    }

    /// This configuration with another processor.
    public DomainConfig withCpu(CpuConfig other) {
        return new DomainConfig(
                name, uuid, memoryBytes, maxMemoryBytes, vcpus, xenVersion, grants, events, other);
    }

    /// This configuration with other memory at first.
    public DomainConfig withMemory(long bytes) {
        return new DomainConfig(
                name, uuid, bytes, maxMemoryBytes, vcpus, xenVersion, grants, events, cpu);
    }

    /// This configuration with other memory, all of which it has at first.
    public DomainConfig ofMemory(long bytes) {
        return new DomainConfig(name, uuid, bytes, bytes, vcpus, xenVersion, grants, events, cpu);
    }

    /// Whether the guest sees this release of Xen or a later one: some answers have changed between releases.
    public boolean isXenFrom(int major, int minor) {
        return xenVersion >= (major << 16 | minor);
    }

    /// This configuration with another name.
    public DomainConfig sibling(String otherName) {
        return called(otherName, UUID.randomUUID());
    }

    /// The same domain under another name and UUID.
    public DomainConfig called(String otherName, UUID otherUuid) {
        return new DomainConfig(
                otherName,
                otherUuid,
                memoryBytes,
                maxMemoryBytes,
                vcpus,
                xenVersion,
                grants,
                events,
                cpu);
    }

    /// Whether an operator's argument is a domain's id: only digits, as with xl.
    public static boolean isId(String name) {
        return !name.isEmpty() && name.chars().allMatch(it -> it >= '0' && it <= '9');
    }

    /// Fits into the name of a memfd (249 bytes) after a prefix that names its purpose.
    public static final int MAX_NAME_BYTES = 200;

    /// HVM_MAX_VCPUS of Xen.
    public static final int MAX_VCPUS = AcpiTables.MAX_VCPUS;
}
