"""The tokenizer: frames of a dozen languages, source files and called paths, whatever a hostile text does."""

import pytest

from consumer.diagnose import diagnose
from consumer.diagnose.lexer import READ, read

TRACES = {
    "jvm": (
        "java.lang.IllegalStateException: no",
        "\tat com.acme.invoice.Charge.run(Charge.java:3)\n\tat com.acme.voice.Speech.say(Speech.kt:9) [app.jar:1.2]",
    ),
    "spring": (
        "java.lang.ArithmeticException: no",
        "\tat a.booking.GuestDesk.open(GuestDesk.java:17) ~[desk-1.4.jar!/:1.4]\n\t... 61 common frames omitted",
    ),
    "dotnet": (
        "System.FormatException: no",
        (
            "   at Acme.Images.Thumbnail.Render(Int32 size) in /src/Images/Thumbnail.cs:line 8\n"
            "   at Acme.Audio.Narration.<Run>d__4.MoveNext()\n--- End of stack trace from previous location ---"
        ),
    ),
    "ruby": (
        "ZeroDivisionError: divided by 0",
        "/srv/app/models/refund.rb:12:in `amount'\n\tfrom /srv/lib/stuck/worker.rb:7:in `block in run'",
    ),
    "go": (
        "panic: assignment to entry in nil map",
        (
            "goroutine 7 [running]:\nmain.refundPayment(0xc0000140a0, 0x2)\n\t/srv/payments/refund.go:31 +0x9c\n"
            "acme/speech.(*Narrator).Say(...)\n\t/srv/speech/narrator.go:5\nmain.main()\n\t/srv/main.go:9 +0x25"
        ),
    ),
    "rust": (
        "thread 'main' panicked at src/main.rs:4:9: no",
        (
            "stack backtrace:\n   0: rust_begin_unwind\n             at /rustc/9fc/library/std/src/panicking.rs:5:7\n"
            "   1: acme::refunds::payment::pay\n   2: acme::audio::{{closure}}\n  11: 0x5571 - acme::booking::run"
        ),
    ),
    "php": (
        "PHP Fatal error:  Uncaught DivisionByZeroError: no in /srv/src/Refund/Payment.php:7",
        (
            "Stack trace:\n#0 /srv/src/Image/Thumbnail.php(12): Acme\\Voice\\Speech->say()\n#1 {main}\n"
            "  thrown in /srv/src/Refund/Payment.php on line 7"
        ),
    ),
    "dart": (
        "Unhandled exception:\nBad state: no",
        (
            "#0      PaymentPage.build (package:shop/payment_page.dart:33:5)\n"
            "#1      main (file:///srv/invoice.dart:3:5)\n<asynchronous suspension>"
        ),
    ),
    "python": (
        "ZeroDivisionError: no",
        'Traceback (most recent call last):\n  File "/srv/voice/refund.py", line 3, in stall\n    pay(invoice)',
    ),
    "node": ("Error: no", "    at Invoice.pay (/srv/voice/refund.js:3:9)\n    at async /srv/booking/guest.ts:7:1"),
}


@pytest.mark.parametrize("language", TRACES)
def test_a_name_in_a_frame_decides_no_type(language: str) -> None:
    reason, frames = TRACES[language]
    with_frames = diagnose(f"{reason}\n{frames}", {})
    assert with_frames.failure_type == diagnose(reason, {}).failure_type == "unknown"


@pytest.mark.parametrize("place", ["/srv/Invoice/Refund.php:9", "Thumbnail.java:33", "lib/voice.rb:7", "speech.go:41"])
def test_the_name_of_a_source_file_decides_no_type(place: str) -> None:
    assert diagnose(f"no such luck at {place}", {}).failure_type == "unknown"


def test_a_file_that_is_data_is_read() -> None:
    assert diagnose("hero.webp is gone from /srv/assets/hero.webp", {}).failure_type == "missing_image"


def test_the_path_of_what_was_called_tells_an_action() -> None:
    assert diagnose("POST /v1/reservations answered: no", {}).failure_type == "concierge_action_failure"
    said = diagnose("400 from https://api.example.com/v2/appointments?day=3", {})
    assert said.failure_type == "concierge_action_failure"
    assert diagnose("the folder /srv/reservations is there", {}).failure_type != "api_timeout"


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "a.b(",
        "main.a(0x1",
        "  at x",
        "#0 a",
        "1: a::",
        "POST /",
        "://a/",
        "a.php:",
        "/a.php",
        "$-",
        "at a(b) ",
        "a" * 300 + ".rb:",
    ],
)
def test_of_a_hostile_text_only_so_much_is_read_and_in_one_go(piece: str) -> None:
    for text in (piece * (1_000_000 // len(piece)), (piece * (400 // len(piece)) + "\n") * 2500):
        assert len(read(text).lowered) <= READ + 1


def test_a_place_in_a_source_that_a_message_names_is_left_out_with_its_folders() -> None:
    told = diagnose("thread 'main' panicked at src/payment/invoice.rs:10:5", {})
    assert told.failure_type == "unknown"
