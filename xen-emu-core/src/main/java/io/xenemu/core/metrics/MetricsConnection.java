package io.xenemu.core.metrics;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One connection to the metrics: reads the head of one HTTP request, answers it, and closes.
final class MetricsConnection {
    /// The most bytes of a request's head: more than any scraper sends.
    private static final int MAX_HEAD = 8 * 1024;

    private static final String END_OF_HEAD = "\r\n\r\n";
    private static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
    private static final String PLAIN = "text/plain; charset=utf-8";
    private static final String PATHS = "xen-emu: /metrics, /-/healthy, /-/ready\n";
    private static final byte[] NOTHING = new byte[0];

    private static final Logger log = LoggerFactory.getLogger(MetricsConnection.class);

    private final Socket socket;
    private final Scraper scraper;
    private final BooleanSupplier isReady;
    private final long end;
    private volatile boolean silent = true;

    /// @param isReady whether the service serves
    /// @param life the time after which it [#isOld]
    MetricsConnection(Socket socket, Scraper scraper, BooleanSupplier isReady, Duration life) {
        this.socket = socket;
        this.scraper = scraper;
        this.isReady = isReady;
        this.end = System.nanoTime() + life.toNanos();
    }

    /// Whether it has not sent a request yet.
    boolean isSilent() {
        return silent;
    }

    boolean isOld() {
        return System.nanoTime() - end > 0;
    }

    /// Serves the connection until it ends. A failure, such as no heap for the text of all meters, ends only this
    /// connection.
    void run() {
        try (socket) {
            String head = head(socket.getInputStream());
            if (!head.isEmpty()) {
                silent = false;
                answer(head.substring(0, head.indexOf("\r\n")).split(" ", -1));
                socket.shutdownOutput();
            }
        } catch (IOException e) {
            log.debug("a client of the metrics has gone: {}", e.toString());
        } catch (RuntimeException | Error e) {
            log.error("a connection to the metrics failed", e);
        }
    }

    /// The request line and header fields; empty if the client leaves before they are complete.
    private static String head(InputStream in) throws IOException {
        byte[] bytes = new byte[MAX_HEAD];
        int size = 0;
        while (true) {
            int count = in.read(bytes, size, MAX_HEAD - size);
            if (count <= 0) {
                return "";
            }
            int from = Math.max(0, size - END_OF_HEAD.length());
            size += count;
            if (new String(bytes, from, size - from, ISO_8859_1).contains(END_OF_HEAD)) {
                return new String(bytes, 0, size, ISO_8859_1);
            }
        }
    }

    private void answer(String[] line) throws IOException {
        if (line.length != 3 || !line[2].startsWith("HTTP/1.")) {
            reply("400 Bad Request", "", NOTHING, true);
            return;
        }
        boolean isHead = line[0].equals("HEAD");
        if (!isHead && !line[0].equals("GET")) {
            reply("405 Method Not Allowed", "Allow: GET, HEAD\r\n", NOTHING, true);
            return;
        }
        int query = line[1].indexOf('?');
        switch (query < 0 ? line[1] : line[1].substring(0, query)) {
            case "/metrics" ->
                    reply(
                            "200 OK",
                            "Content-Type: " + CONTENT_TYPE + "\r\n",
                            scraper.scrape(),
                            !isHead);
            case "/" -> text("200 OK", PATHS, isHead);
            case "/-/healthy" -> text("200 OK", "healthy\n", isHead);
            case "/-/ready" -> {
                boolean ready = isReady.getAsBoolean();
                text(
                        ready ? "200 OK" : "503 Service Unavailable",
                        ready ? "ready\n" : "not ready\n",
                        isHead);
            }
            default -> reply("404 Not Found", "", NOTHING, true);
        }
    }

    private void text(String status, String text, boolean isHead) throws IOException {
        reply(status, "Content-Type: " + PLAIN + "\r\n", text.getBytes(ISO_8859_1), !isHead);
    }

    private void reply(String status, String fields, byte[] body, boolean sendsBody)
            throws IOException {
        String head =
                "HTTP/1.1 "
                        + status
                        + "\r\n"
                        + fields
                        + "Content-Length: "
                        + body.length
                        + "\r\nConnection: close\r\n\r\n";
        OutputStream out = socket.getOutputStream();
        out.write(head.getBytes(ISO_8859_1));
        if (sendsBody) {
            out.write(body);
        }
    }

    /// Closes the connection, whatever its thread is doing.
    void close() {
        try {
            socket.close();
        } catch (IOException e) {
            log.debug("closing a client of the metrics failed: {}", e.toString());
        }
    }
}
