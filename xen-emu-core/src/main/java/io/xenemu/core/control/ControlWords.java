package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.base.Splitter;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.util.List;
import java.util.stream.Collectors;

/// The words of a request on the control socket: separated by blanks, and percent-encoded where they have other characters
/// than letters and digits (as HTML forms are). No word is empty.
public final class ControlWords {
    private static final Splitter WORDS = Splitter.on(' ').omitEmptyStrings();

    private ControlWords() {}

    /// The line for some words.
    static String encode(List<String> words) {
        return words.stream()
                .map(word -> URLEncoder.encode(word, UTF_8))
                .collect(Collectors.joining(" "));
    }

    /// The words of a line; none if one of them is wrongly encoded.
    public static List<String> decode(String line) {
        try {
            return WORDS.splitToStream(line).map(word -> URLDecoder.decode(word, UTF_8)).toList();
        } catch (IllegalArgumentException e) {
            return List.of();
        }
    }
}
