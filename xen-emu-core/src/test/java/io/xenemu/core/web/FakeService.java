package io.xenemu.core.web;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A service with domains that a test chooses.
final class FakeService implements Watched {
    final List<Json.Obj> domains = new CopyOnWriteArrayList<>();
    final List<List<String>> commands = new CopyOnWriteArrayList<>();
    final List<List<String>> asked = new CopyOnWriteArrayList<>();
    final AtomicInteger lists = new AtomicInteger();
    volatile @Nullable String refusal;
    volatile @Nullable Error failure;
    final AtomicInteger failures = new AtomicInteger();

    /// Adds a domain as `list` shows it.
    FakeService with(long id, String name) {
        domains.add(
                Json.EMPTY
                        .with("name", name)
                        .with("id", id)
                        .with("uuid", "00000000-0000-4000-8000-%012d".formatted(id))
                        .with("memory_mib", 512)
                        .with("max_memory_mib", 512)
                        .with("vcpus", 2)
                        .with("state", "-b----")
                        .with("cpu_ms", 1000 + id)
                        .with("began", 1_700_000_000));
        return this;
    }

    @Override
    public List<Json.Obj> rows(List<String> words, String member) throws HostException {
        Error wrong = failure;
        if (wrong != null) {
            failures.incrementAndGet();
            throw wrong;
        }
        String reason = refusal;
        if (reason != null) {
            throw new HostException(reason);
        }
        if (words.getFirst().equals("migrate-status")) {
            return List.of();
        }
        if (!words.getFirst().equals("list")) {
            asked.add(words);
            return List.of(Json.EMPTY.with("verb", words.getFirst()));
        }
        lists.incrementAndGet();
        List<Json.Obj> rows = new ArrayList<>(domains);
        if (words.size() > 1) {
            rows.removeIf(
                    row -> !new Json.Int(Long.parseLong(words.get(1))).equals(row.find("id")));
            if (rows.isEmpty()) {
                throw new HostException("no such domain: " + words.get(1));
            }
        }
        return rows;
    }

    @Override
    public void command(List<String> words) {
        commands.add(words);
    }
}
