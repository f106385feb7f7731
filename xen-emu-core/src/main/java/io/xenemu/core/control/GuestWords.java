package io.xenemu.core.control;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableListMultimap;
import com.google.common.collect.ListMultimap;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.gnttab.GrantLimits;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/// A [GuestRequest] as words of a request on the control socket, `NAME=VALUE` each.
public final class GuestWords {
    private static final Splitter ASSIGNMENT = Splitter.on('=').limit(2);

    private GuestWords() {}

    /// The words.
    static List<String> encode(GuestRequest request) {
        DomainConfig config = request.config();
        GrantLimits grants = config.grants();
        EventChannelConfig events = config.events();
        List<String> words =
                new ArrayList<>(
                        List.of(
                                "name=" + config.name(),
                                "uuid=" + config.uuid(),
                                "memory=" + config.memoryBytes(),
                                "vcpus=" + config.vcpus(),
                                "xen_version=" + config.xenVersion(),
                                "max_grant_frames=" + grants.maxGrantFrames(),
                                "max_maptrack_frames=" + grants.maxMaptrackFrames(),
                                "max_grant_version=" + grants.maxGrantVersion(),
                                "fifo=" + events.fifo(),
                                "max_event_channels=" + events.maxEventChannels(),
                                "hvm_pirq=" + events.hvmPirqs(),
                                "kernel=" + request.kernel(),
                                "append=" + request.commandLine(),
                                "reboot=" + request.reboot(),
                                "overcommit=" + request.overcommit()));
        request.modules().forEach(module -> words.add("module=" + module));
        return words;
    }

    /// The request of some words, in any order.
    ///
    /// @throws IllegalArgumentException if one is missing or is no value
    static GuestRequest decode(List<String> words) {
        ImmutableListMultimap.Builder<String, String> all = ImmutableListMultimap.builder();
        for (String word : words) {
            List<String> parts = ASSIGNMENT.splitToList(word);
            if (parts.size() != 2) {
                throw new IllegalArgumentException("'" + word + "' is not NAME=VALUE");
            }
            all.put(parts.get(0), parts.get(1));
        }
        ListMultimap<String, String> values = all.build();
        DomainConfig config =
                new DomainConfig(
                        one(values, "name"),
                        UUID.fromString(one(values, "uuid")),
                        Long.parseLong(one(values, "memory")),
                        Integer.parseInt(one(values, "vcpus")),
                        Integer.parseInt(one(values, "xen_version")),
                        new GrantLimits(
                                Integer.parseInt(one(values, "max_grant_frames")),
                                Integer.parseInt(one(values, "max_maptrack_frames")),
                                Integer.parseInt(one(values, "max_grant_version"))),
                        new EventChannelConfig(
                                Boolean.parseBoolean(one(values, "fifo")),
                                Integer.parseInt(one(values, "max_event_channels")),
                                Boolean.parseBoolean(one(values, "hvm_pirq"))));
        return new GuestRequest(
                config,
                Path.of(one(values, "kernel")),
                values.get("module"),
                one(values, "append"),
                Boolean.parseBoolean(one(values, "reboot")),
                Boolean.parseBoolean(one(values, "overcommit")));
    }

    private static String one(ListMultimap<String, String> values, String name) {
        List<String> found = values.get(name);
        if (found.size() != 1) {
            throw new IllegalArgumentException(name + ": one value is needed");
        }
        return found.getFirst();
    }
}
