package io.xenemu.core.web;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.hash.Hashing;
import java.io.InputStream;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The files of the page.
final class PageFilesTest {
    private static String text(String path) throws Exception {
        return new String(new PageFiles().at(path).bytes(), UTF_8);
    }

    @Test
    void vendoredFileIsTheOneWhoseSumIsNoted() throws Exception {
        byte[] script = new PageFiles().at("/vendor/htm-preact.js").bytes();
        String sum = Hashing.sha256().hashBytes(script).toString();
        try (InputStream notice = PageFiles.class.getResourceAsStream("page/vendor/NOTICE.txt")) {
            assertNotNull(notice);
            assertTrue(new String(notice.readAllBytes(), UTF_8).contains("sha256 " + sum));
        }
    }

    @Test
    void pageAsksNobodyElse() throws Exception {
        for (String path : List.of("/", "/page.css", "/page.js")) {
            String text = text(path);
            assertFalse(text.contains("//") && text.matches("(?s).*(https?:)//.*"), path);
            assertFalse(text.contains("@import"), path);
        }
    }

    @Test
    void textOfGuestsIsNeverMarkup() throws Exception {
        String script = text("/page.js");
        for (String way :
                List.of(
                        "innerHTML",
                        "outerHTML",
                        "insertAdjacentHTML",
                        "document.write",
                        "eval(")) {
            assertFalse(script.contains(way), way);
        }
    }

    @Test
    void policyLeavesNothingInline() throws Exception {
        String page = text("/");
        assertFalse(page.contains("style="));
        assertFalse(page.contains("onclick"));
        assertEquals(1, page.split("<script ", -1).length - 1);
        assertTrue(page.contains("<script type=\"module\" src=\"/page.js\"></script>"));
    }
}
