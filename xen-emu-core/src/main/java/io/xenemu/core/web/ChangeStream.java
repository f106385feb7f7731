package io.xenemu.core.web;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import java.io.IOException;
import java.io.OutputStream;

/// Tells one viewer what has changed, as server-sent events. A viewer that reads slowly misses what lies between: the
/// next event is the difference to the last one that it got.
///
/// @param collector has the answers of the service
/// @param role of the viewer
record ChangeStream(Collector collector, Role role) {
    /// Sends events until the viewer has gone.
    void run(OutputStream out) throws IOException {
        long from = collector.join();
        try {
            write(out, "role", Json.EMPTY.with("role", role.word()));
            Collector.Round last = new Collector.Round(from, Snapshot.EMPTY);
            while (true) {
                Collector.Round next = collector.after(last.number());
                write(out, "change", next.snapshot().since(last.snapshot()));
                last = next;
            }
        } catch (InterruptedException e) {
            // The server ends.
            Thread.currentThread().interrupt();
        } finally {
            collector.leave();
        }
    }

    private static void write(OutputStream out, String event, Json.Obj data) throws IOException {
        String text = "event: " + event + "\ndata: " + JsonWriter.line(data) + "\n\n";
        out.write(text.getBytes(UTF_8));
        out.flush();
    }
}
