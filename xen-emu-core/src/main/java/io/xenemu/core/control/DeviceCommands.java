package io.xenemu.core.control;

import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// What an operator may ask of the devices that domains have from each other, with xl's words:
///
/// | request | what it does |
/// |---|---|
/// | `block-attach DOMAIN SPEC...` | gives it a disk: see [DiskSpec] |
/// | `network-attach DOMAIN SPEC...` | gives it a network interface: see [NicSpec] |
/// | `block-list DOMAIN...`, `network-list DOMAIN...` | a row for each device |
/// | `block-detach DOMAIN DEVICE [force]`, `network-detach DOMAIN DEVICE` | takes one from it |
final class DeviceCommands {
    private static final String FORCE = "force";
    private static final Set<String> DOMAIN_0 = Set.of("0", "Domain-0");

    private final DeviceAttachment attachment;
    private final PvDevices devices;
    private final SecureRandom random = new SecureRandom();

    DeviceCommands(DeviceAttachment attachment) {
        this.attachment = attachment;
        this.devices = attachment.devices();
    }

    /// Whether a request is one of these.
    static boolean knows(String verb) {
        return verb.startsWith("block-") || verb.startsWith("network-");
    }

    /// Carries out a request.
    ///
    /// @return what it tells
    List<String> carryOut(String verb, List<String> words) throws Refused {
        try {
            switch (verb) {
                case "block-attach" -> attach(DeviceKind.VBD, words);
                case "network-attach" -> attach(DeviceKind.VIF, words);
                case "block-list" -> {
                    return list(DeviceKind.VBD, words);
                }
                case "network-list" -> {
                    return list(DeviceKind.VIF, words);
                }
                case "block-detach" -> detach(DeviceKind.VBD, words);
                case "network-detach" -> detach(DeviceKind.VIF, words);
                default -> throw new Refused("not a command: " + verb);
            }
            return List.of();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Refused("the service ends");
        }
    }

    private void attach(DeviceKind kind, List<String> words) throws Refused, InterruptedException {
        DeviceSpec spec = spec(kind, words.subList(1, words.size()));
        String serving = spec.backend();
        if (DOMAIN_0.contains(serving)) {
            throw new Refused("backend=" + serving + ": domain 0 serves no devices yet");
        }
        devices.awaitBackend(attachment.create(words.getFirst(), spec), spec);
    }

    private DeviceSpec spec(DeviceKind kind, List<String> words) throws Refused {
        return switch (kind) {
            case VBD -> DiskSpec.parse(words);
            case VIF -> NicSpec.parse(words, random);
        };
    }

    private List<String> list(DeviceKind kind, List<String> names) throws Refused {
        List<DomId> frontends = new ArrayList<>();
        for (String name : names) {
            frontends.add(attachment.named(name).id());
        }
        return devices.table(kind, frontends);
    }

    private void detach(DeviceKind kind, List<String> words) throws Refused, InterruptedException {
        boolean force = words.size() == 3 && words.get(2).equals(FORCE);
        if (words.size() != 2 && !force) {
            throw new Refused("which device?");
        }
        DomId frontend = attachment.named(words.getFirst()).id();
        devices.detach(devices.find(kind, frontend, words.get(1)), mode(kind, force));
    }

    private static DetachMode mode(DeviceKind kind, boolean force) {
        if (force) {
            return DetachMode.FORCED;
        }
        return kind == DeviceKind.VIF ? DetachMode.FORCED_AFTER_LIMIT : DetachMode.ORDERLY;
    }
}
