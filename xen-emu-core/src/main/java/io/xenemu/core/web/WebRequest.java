package io.xenemu.core.web;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonException;
import io.xenemu.core.json.JsonReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// One request, as far as this server looks at it.
///
/// @param exchange the JDK's
record WebRequest(HttpExchange exchange) {
    /// The most bytes of a body: a command has fewer than a hundred.
    static final int MAX_BODY = 4096;

    String method() {
        return exchange.getRequestMethod();
    }

    String path() {
        return exchange.getRequestURI().getPath();
    }

    /// The address of the other end.
    String peer() {
        return exchange.getRemoteAddress().getAddress().getHostAddress();
    }

    /// A header field that is there exactly once.
    ///
    /// @throws WebRefused if it is there twice: two readers may take different ones
    Optional<String> header(String name) throws WebRefused {
        Headers headers = exchange.getRequestHeaders();
        List<String> values = headers.getOrDefault(name, List.of());
        if (values.size() > 1) {
            throw new WebRefused(400, "two header fields " + name);
        }
        return values.stream().findFirst();
    }

    /// The value of the only parameter of the address, decoded; empty without one.
    Optional<String> parameter(String name) {
        String query = exchange.getRequestURI().getQuery();
        String start = name + "=";
        return query != null && query.startsWith(start)
                ? Optional.of(query.substring(start.length()))
                : Optional.empty();
    }

    /// The body, which has to be a JSON object of moderate size.
    ///
    /// @throws WebRefused if it is not
    Json.Obj body() throws IOException, WebRefused {
        String type = header("Content-Type").orElse("").toLowerCase(Locale.ROOT);
        // Forms of other sites cannot send this type.
        if (!type.equals("application/json") && !type.startsWith("application/json;")) {
            throw new WebRefused(415, "not application/json");
        }
        byte[] bytes = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
        if (bytes.length > MAX_BODY) {
            throw new WebRefused(413, "more than " + MAX_BODY + " bytes");
        }
        try {
            String text =
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            if (JsonReader.read(text) instanceof Json.Obj object) {
                return object;
            }
        } catch (JsonException | CharacterCodingException e) {
            throw new WebRefused(400, "not JSON: " + e.getMessage());
        }
        throw new WebRefused(400, "not a JSON object");
    }
}
