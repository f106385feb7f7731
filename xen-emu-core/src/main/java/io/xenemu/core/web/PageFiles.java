package io.xenemu.core.web;

import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.Map;

/// The files of the page, which are in the program's jar. Only those named here can be asked for.
final class PageFiles {
    /// One file.
    ///
    /// @param type its media type
    /// @param bytes its contents
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record PageFile(String type, byte[] bytes) {}

    private static final String SCRIPT = "text/javascript; charset=utf-8";

    /// The media types by address, below `page/`.
    private static final Map<String, String> TYPES =
            Map.of(
                    "index.html",
                    "text/html; charset=utf-8",
                    "page.css",
                    "text/css; charset=utf-8",
                    "page.js",
                    SCRIPT,
                    "vendor/htm-preact.js",
                    SCRIPT);

    private final Map<String, PageFile> files = new LinkedHashMap<>();

    /// Reads all of them.
    PageFiles() throws IOException {
        for (Map.Entry<String, String> file : TYPES.entrySet()) {
            try (InputStream in = PageFiles.class.getResourceAsStream("page/" + file.getKey())) {
                if (in == null) {
                    throw new IOException("not in the jar: " + file.getKey());
                }
                files.put("/" + file.getKey(), new PageFile(file.getValue(), in.readAllBytes()));
            }
        }
    }

    /// The file at an address.
    ///
    /// @throws WebRefused if there is none
    PageFile at(String path) throws WebRefused {
        PageFile file = files.get(path.equals("/") ? "/index.html" : path);
        if (file == null) {
            throw new WebRefused(404, "no such file");
        }
        return file;
    }
}
