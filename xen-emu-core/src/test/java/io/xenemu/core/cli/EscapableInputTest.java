package io.xenemu.core.cli;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class EscapableInputTest {
    @ParameterizedTest
    @CsvSource({"'',''", "all,all", "]all,]all", "some^more^,some", "^nothing,''"})
    void inputEndsAtTheEscape(String typed, String got) throws IOException {
        byte[] bytes = typed.replace('^', '\u001d').getBytes(US_ASCII);
        try (EscapableInput pieces = new EscapableInput(new ByteArrayInputStream(bytes));
                EscapableInput single = new EscapableInput(new ByteArrayInputStream(bytes))) {
            assertEquals(got, new String(pieces.readAllBytes(), US_ASCII));
            assertEquals(-1, pieces.read());
            for (int i = 0; i < got.length(); i++) {
                assertEquals(got.charAt(i), single.read());
            }
            assertEquals(-1, single.read());
        }
    }
}
