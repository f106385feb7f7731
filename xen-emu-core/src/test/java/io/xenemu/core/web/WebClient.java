package io.xenemu.core.web;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/// A client of a [WebServer] that sends what a test wants, header fields of browsers too.
///
/// @param port of the server
record WebClient(int port) {
    /// An answer of the server.
    ///
    /// @param text all of it
    record Answer(String text) {
        int status() {
            return Integer.parseInt(text.substring(9, 12));
        }

        /// The value of a header field; empty without it.
        String field(String name) {
            for (String line : text.lines().takeWhile(line -> !line.isEmpty()).toList()) {
                if (line.regionMatches(true, 0, name + ": ", 0, name.length() + 2)) {
                    return line.substring(name.length() + 2);
                }
            }
            return "";
        }

        String body() {
            return text.split("\r\n\r\n", 2)[1];
        }
    }

    String host() {
        return "127.0.0.1:" + port;
    }

    String origin() {
        return "Origin: http://" + host();
    }

    Answer get(String path, String... fields) throws IOException {
        return ask("GET " + path, List.of(fields), "");
    }

    Answer post(String path, String json, String... fields) throws IOException {
        List<String> all = new ArrayList<>(List.of(fields));
        all.add("Content-Type: application/json");
        all.add("Content-Length: " + json.length());
        return ask("POST " + path, all, json);
    }

    /// Sends a request with the field `Host`, unless there is one.
    Answer ask(String line, List<String> fields, String body) throws IOException {
        StringBuilder text = new StringBuilder(line).append(" HTTP/1.1\r\nConnection: close\r\n");
        if (fields.stream().noneMatch(field -> field.startsWith("Host:"))) {
            text.append("Host: ").append(host()).append("\r\n");
        }
        fields.forEach(field -> text.append(field).append("\r\n"));
        text.append("\r\n").append(body);
        try (Socket socket = open()) {
            socket.getOutputStream().write(text.toString().getBytes(ISO_8859_1));
            return new Answer(new String(socket.getInputStream().readAllBytes(), ISO_8859_1));
        }
    }

    Socket open() throws IOException {
        return new Socket(InetAddress.getLoopbackAddress(), port);
    }
}
