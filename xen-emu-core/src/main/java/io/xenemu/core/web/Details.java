package io.xenemu.core.web;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What the page shows of one domain. To ask makes its vCPUs leave the guest for a moment, so an answer serves all
/// viewers for a period, and one question is asked at a time.
final class Details {
    /// The most domains whose answers are kept.
    private static final int MAX = 64;

    /// The lists of a domain: the verb, and the member of its answer.
    private static final Map<String, String> LISTS =
            Map.of("vcpu-list", "vcpus", "evtchn-list", "channels", "grant-list", "grants");

    private record Answer(long time, Json.Obj values) {}

    private final Watched service;
    private final Duration period;
    // In the order of the answers. Guarded by this.
    private final Map<Long, Answer> answers = new LinkedHashMap<>();

    /// @param period for which an answer serves
    Details(Watched service, Duration period) {
        this.service = service;
        this.period = period;
    }

    /// The lists of a domain.
    ///
    /// @throws WebRefused if the service has no such domain, or does not answer
    synchronized Json.Obj of(long domain) throws WebRefused {
        Answer known = answers.get(domain);
        long now = System.nanoTime();
        if (known != null && now - known.time < period.toNanos()) {
            return known.values;
        }
        Json.Obj values = Json.EMPTY;
        try {
            for (Map.Entry<String, String> list : LISTS.entrySet()) {
                List<Json.Obj> rows =
                        service.rows(
                                List.of(list.getKey(), Long.toString(domain)), list.getValue());
                values = values.with(list.getValue(), new Json.Array(List.copyOf(rows)));
            }
        } catch (HostException e) {
            throw new WebRefused(409, String.valueOf(e.getMessage()));
        }
        answers.remove(domain);
        if (answers.size() >= MAX) {
            answers.remove(answers.keySet().iterator().next());
        }
        answers.put(domain, new Answer(now, values));
        return values;
    }
}
