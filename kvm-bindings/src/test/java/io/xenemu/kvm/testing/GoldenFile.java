package io.xenemu.kvm.testing;

import com.google.common.io.Resources;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/// Saved state of one version, in hexadecimal. It is of the version in its name and is never made again.
public final class GoldenFile {
    private GoldenFile() {}

    /// Reads one.
    ///
    /// @param test the file is in its package
    public static byte[] bytes(Class<?> test, String name) throws IOException {
        URL file = Resources.getResource(test, name);
        String text = Resources.toString(file, StandardCharsets.US_ASCII);
        return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
    }
}
