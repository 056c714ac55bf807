//! One million log lines as services write them, the same in every run: JSON, logfmt and plain
//! lines of several loggers, time-outs among them, 136 bytes each on average.

use std::io::Write;

/// How many lines there are.
pub(crate) const LINES: u64 = 1_000_000;

/// Appends line `n` with its line feed. Three hundred lines a second, from 03:00:00 on.
pub(crate) fn line(n: u64, out: &mut Vec<u8>) {
    // A number that looks random and is the same in every run (the finaliser of splitmix64).
    let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    let ms = n * 10 / 3;
    let (s, ms) = (3 * 3600 + ms / 1000, ms % 1000);
    let at = format!("2026-11-21T{:02}:{:02}:{:02}.{ms:03}Z", s / 3600, s / 60 % 60, s % 60);
    let (order, took, small, id) = (x % 1_000_000, (x >> 20) % 3000, (x >> 32) % 64, x >> 16);
    // A Vec takes everything.
    let _ = match x % 100 {
        0..=26 => writeln!(
            out,
            r#"{{"ts":"{at}","level":"info","msg":"charge accepted","order":"o-{order:06}","took_ms":{took},"trace":"{id:017x}"}}"#
        ),
        27..=29 => writeln!(
            out,
            r#"{{"ts":"{at}","level":"error","msg":"PARTNER_TIMEOUT: timed out after {took} ms","order":"o-{order:06}","attempt":{}}}"#,
            small % 5
        ),
        30..=36 => writeln!(
            out,
            r#"{{"ts":"{at}","level":"warn","msg":"retrying partner call","partner":"acq-{small}","backoff_ms":{took},"trace":"{id:017x}","pod":"payments-{small}"}}"#
        ),
        37..=56 => writeln!(
            out,
            r#"ts={at} level=info msg="query served" table=orders rows={small} took={took}ms pool=main conn={small} user=app trace={id:017x}"#
        ),
        57..=66 => writeln!(
            out,
            r#"ts={at} level=debug msg="cache hit" key=cart:{order:06} ttl={took}s shard={small} bytes={order} node=cache-{small}"#
        ),
        67..=78 => writeln!(
            out,
            r#"10.3.{small}.17 - - [21/Nov/2026:{:02}:{:02}:{:02} +0000] "POST /v1/checkout/{order:06} HTTP/1.1" 200 {took} "-" "Mozilla/5.0 (X11; Linux x86_64)" 0.{ms:03}"#,
            s / 3600,
            s / 60 % 60,
            s % 60
        ),
        79..=88 => writeln!(
            out,
            "{at} INFO  checkout::cart: cart priced session={id:017x} items={small} total={order}.{:02} EUR voucher=none warehouse=w{small} took {took} ms",
            small
        ),
        89..=96 => writeln!(
            out,
            "{at} [worker-{small}] DEBUG c.e.shop.Inventory - reserved sku=S{order:06} qty={small} in {took} ms; ratio 0.{ms:03}, replica lag 0 ms"
        ),
        97 => writeln!(
            out,
            "\u{1b}[33mWARN\u{1b}[0m {at} \tpool \u{1b}[1mmain\u{1b}[0m is full: {small} of 64 in use, {took} waiting"
        ),
        98 => writeln!(
            out,
            "{at} INFO  Zahlung für Kundin Müller angenommen: {order:06} über {took},{small:02} € – Danke"
        ),
        _ => writeln!(
            out,
            "\tat com.example.shop.PartnerClient.charge(PartnerClient.java:{small}) ~[payments.jar!/:2.{small}.0]"
        ),
    };
}
