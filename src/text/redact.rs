//! Secrets are replaced before a text reaches the journal, the clipboard, an export or a
//! shared screen.
//!
//! A keyword search decides which rules are worth running; nearly every text matches none and is
//! handed back untouched. What a rule replaces is named, so that a reader knows what was there:
//! `[redacted AWS key]`. Redacting twice changes nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};

use super::Safe;

/// `text` with every recognised secret replaced by `[redacted KIND]`.
pub fn redact(text: &str) -> Cow<'_, str> {
    let Some(rules) = RULES.as_ref() else {
        // The patterns are literals that a test compiles; without them nothing may pass.
        return Cow::Borrowed("[redacted: the redaction rules do not load]");
    };
    let wanted = rules.wanted(text);
    if wanted == 0 {
        return Cow::Borrowed(text);
    }
    let mut out = Cow::Borrowed(text);
    for (at, rule) in rules.all.iter().enumerate() {
        if wanted & (1 << at) != 0
            && let Some(changed) = rule.apply(&out)
        {
            out = Cow::Owned(changed);
        }
    }
    out
}

/// As [`redact`]; hands the same value back when nothing was found.
pub fn redact_safe(text: Safe) -> Safe {
    match redact(&text) {
        Cow::Borrowed(same) if same.len() == text.len() => text,
        // The text was clean and what was put into it is ours: cleaning it again would only cut
        // a block of several lines down to one.
        redacted => Safe::trusted(redacted.into_owned()),
    }
}

/// One sort of secret. The pattern's group `secret` is what is replaced; without such a group,
/// the whole match is.
struct Spec {
    /// What the reader is told was there.
    label: &'static str,
    /// Lower-case words of which the text has to hold one for the pattern to be tried.
    keywords: &'static [&'static str],
    pattern: &'static str,
    /// What a match has to fulfil beyond its shape.
    only_if: fn(&str) -> bool,
}

/// In the order in which they are applied: whole blocks first, then secrets of a known shape,
/// then whatever stands where secrets stand.
const SPECS: &[Spec] = &[
    Spec {
        label: "private key",
        keywords: &["-----begin"],
        // A block that was cut off before its end is a secret all the same.
        pattern: r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)",
        only_if: always,
    },
    Spec {
        label: "certificate",
        keywords: &["-----begin"],
        pattern: r"(?s)-----BEGIN [A-Z0-9 ]+-----[A-Za-z0-9+/=\s:,\\-]*?(?:-----END [A-Z0-9 ]+-----|\z)",
        only_if: always,
    },
    Spec {
        label: "authorization",
        keywords: &["authorization", "x-api-key", "x-auth-token", "x-amz-security-token"],
        pattern: r#"(?i)\b(?:proxy-)?(?:authorization|x-api-key|x-auth-token|x-amz-security-token)["']?\s*[:=]\s*["']?(?P<secret>(?:(?:basic|bearer|digest|negotiate|token|apikey|aws4-hmac-sha256)\s+)?[^\s"'\[][^"'\n]*)"#,
        only_if: always,
    },
    Spec {
        label: "token",
        keywords: &["bearer ", "basic "],
        pattern: r"(?i)\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/-]{16,}=*)",
        only_if: looks_random,
    },
    Spec {
        label: "cookie",
        keywords: &["cookie"],
        pattern: r#"(?i)\b(?:set-)?cookie["']?\s*[:=]\s*["']?(?P<secret>[^\s"'\[=;]+=[^"'\n]*)"#,
        only_if: always,
    },
    Spec {
        label: "JWT",
        keywords: &["eyj"],
        pattern: r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
        only_if: always,
    },
    Spec {
        label: "AWS key",
        keywords: &["a3t", "akia", "asia", "abia", "acca"],
        pattern: r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
        only_if: looks_random,
    },
    Spec {
        label: "GitHub token",
        keywords: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        pattern: r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
        only_if: always,
    },
    Spec { label: "GitLab token", keywords: &["glpat-"], pattern: r"\bglpat-[A-Za-z0-9_.-]{16,}", only_if: always },
    Spec { label: "Grafana token", keywords: &["glsa_"], pattern: r"\bglsa_[A-Za-z0-9_]{20,}", only_if: always },
    Spec { label: "OpenShift token", keywords: &["sha256~"], pattern: r"\bsha256~[A-Za-z0-9_-]{20,}", only_if: always },
    Spec {
        label: "userinfo",
        keywords: &["://"],
        pattern: r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://(?P<secret>[^\s/@\[\]\x22'<>]{1,256})@",
        only_if: always,
    },
    Spec {
        label: "secret",
        keywords: &[
            "passw",
            "passphrase",
            "pwd",
            "secret",
            "token",
            "api_key",
            "api-key",
            "apikey",
            "access_key",
            "access-key",
            "accesskey",
            "private_key",
            "private-key",
            "privatekey",
            "credential",
        ],
        // Whatever stands before: `PGPASSWORD`, `db.password`, `keyStorePassword`. In quotes the value
        // ends where they do, not at a quote that is escaped, or at the end of a text that was cut; in
        // JSON that is itself in a string, its quotes are the escaped ones.
        pattern: r#"(?i)(?:passw(?:or)?d|passphrase|pwd|secret(?:[_-]?key)?|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)(?:\\*["'])?\s*(?:=>|=|:)\s*(?:"(?P<double>(?:[^"\\\[]|\\.)(?:[^"\\]|\\.)*)(?:"|\\?\z)|'(?P<single>(?:[^'\\\[]|\\.)(?:[^'\\]|\\.)*)(?:'|\\?\z)|\\+"(?P<nested>[^"\\\[][^"\\]*)|(?P<secret>(?:[^\s"',;&\\\[\]{}()<>]|\\[^\s"'\\\[])[^\s"',;&{}()<>]*))"#,
        only_if: not_a_plain_word,
    },
    // A variable of a container, in JSON: its name says what its value is.
    Spec {
        label: "secret",
        keywords: &["\"value\""],
        pattern: r#"(?i)"name"\s*:\s*"[^"]*(?:passw|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[^"]*"\s*,\s*"value"\s*:\s*"(?P<secret>(?:[^"\[\\]|\\.)(?:[^"\\]|\\.)*)""#,
        only_if: not_a_plain_word,
    },
    Spec {
        label: "e-mail",
        keywords: &["@"],
        pattern: r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}\b",
        only_if: always,
    },
];

static RULES: LazyLock<Option<Rules>> = LazyLock::new(|| Rules::load().ok());

struct Rules {
    keywords: AhoCorasick,
    /// The rule that each keyword belongs to.
    rule_of: Vec<usize>,
    all: Vec<Rule>,
}

struct Rule {
    spec: &'static Spec,
    pattern: Regex,
    groups: bool,
}

impl Rules {
    fn load() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (mut words, mut rule_of, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (at, spec) in SPECS.iter().enumerate() {
            for word in spec.keywords {
                words.push(*word);
                rule_of.push(at);
            }
            let pattern = Regex::new(spec.pattern)?;
            let groups = pattern.capture_names().flatten().next().is_some();
            all.push(Rule { spec, pattern, groups });
        }
        let keywords = AhoCorasick::builder().ascii_case_insensitive(true).build(words)?;
        Ok(Self { keywords, rule_of, all })
    }

    /// A bit for each rule of which a keyword occurs.
    fn wanted(&self, text: &str) -> u32 {
        self.keywords
            .find_overlapping_iter(text)
            .filter_map(|found| self.rule_of.get(found.pattern().as_usize()))
            .fold(0, |bits, rule| bits | (1 << rule))
    }
}

impl Rule {
    /// The changed text, if anything was replaced.
    fn apply(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut done = 0;
        for found in self.pattern.captures_iter(text) {
            let Some(secret) = self.secret(&found) else { continue };
            if !(self.spec.only_if)(secret.as_str()) {
                continue;
            }
            out.push_str(text.get(done..secret.start())?);
            out.push_str("[redacted ");
            out.push_str(self.spec.label);
            out.push(']');
            done = secret.end();
        }
        if done == 0 {
            return None;
        }
        out.push_str(text.get(done..)?);
        Some(out)
    }

    fn secret<'t>(&self, found: &Captures<'t>) -> Option<regex::Match<'t>> {
        if !self.groups {
            return found.get(0);
        }
        ["secret", "double", "single", "nested"].iter().find_map(|group| found.name(group))
    }
}

fn always(_secret: &str) -> bool {
    true
}

/// Shannon entropy of at least three bits a character: `AKIAAAAAAAAAAAAAAAAA` of a manual is
/// not a key.
fn looks_random(secret: &str) -> bool {
    let mut counts = [0_u32; 256];
    for byte in secret.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = secret.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum();
    entropy >= 3.0
}

/// `token: expired` and `secret=true` are words for people, and reading them helps.
fn not_a_plain_word(secret: &str) -> bool {
    const WORDS: [&str; 21] = [
        "true",
        "false",
        "null",
        "none",
        "nil",
        "yes",
        "no",
        "expired",
        "invalid",
        "missing",
        "required",
        "denied",
        "empty",
        "unset",
        "not",
        "is",
        "was",
        "from",
        "refused",
        "rejected",
        "malformed",
    ];
    !WORDS.contains(&secret.trim_end_matches(['.', ':', '!']).to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_rule_compiles() {
        Rules::load().expect("the patterns are valid");
    }

    #[test]
    fn a_text_without_secrets_is_handed_back_untouched() {
        for text in [
            "scale Deployment payments 6 → 12",
            "429 Too Many Requests from partner",
            "POST https://partner.example/charge timed out after 2000 ms (attempt 3)",
            "token: expired",
            "image registry.example/payments@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "kubectl --context prod-eu -n payments scale deploy/payments --replicas=12",
            "AKIAAAAAAAAAAAAAAAAA stands in a manual",
            "3 tokens left in the bucket",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{:?}", redact(text));
        }
    }

    #[test]
    fn secrets_of_a_known_shape_go() {
        let jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
        for (text, gone, label) in [
            ("key AKIAIOSFODNN7EXAMPLQ used", "AKIAIOSFODNN7EXAMPLQ", "AWS key"),
            (jwt, jwt, "JWT"),
            ("push with ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc", "GitHub token"),
            ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz", "11ABCDEFG0", "GitHub token"),
            ("glpat-abcdefghij_klmnopqrst", "abcdefghij", "GitLab token"),
            ("glsa_abcdefghijklmnopqrstuvwxyz012345_abcdef01", "abcdefghij", "Grafana token"),
            ("oc login sha256~abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "~abcdefghij", "OpenShift token"),
            ("postgres://app:hunter2@db.internal/shop", "hunter2", "userinfo"),
            ("mail ana.b+x@example.co.uk about it", "ana.b", "e-mail"),
        ] {
            let out = redact(text);
            assert!(!out.contains(gone) && out.contains(&format!("[redacted {label}]")), "{out}");
        }
    }

    #[test]
    fn headers_keep_their_name_and_lose_their_value() {
        assert_eq!(redact("Authorization: Bearer abc.def"), "Authorization: [redacted authorization]");
        assert_eq!(
            redact(r#"{"authorization":"Basic dXNlcjpwYXNz","a":1}"#),
            r#"{"authorization":"[redacted authorization]","a":1}"#
        );
        assert_eq!(redact("Cookie: sid=abc; theme=dark"), "Cookie: [redacted cookie]");
        assert_eq!(redact("set-cookie: sid=abc; HttpOnly"), "set-cookie: [redacted cookie]");
    }

    #[test]
    fn assignments_keep_their_name_and_lose_their_value() {
        for (text, out) in [
            ("password=hunter2 user=ana", "password=[redacted secret] user=ana"),
            ("DB_PASSWORD: hunter2", "DB_PASSWORD: [redacted secret]"),
            (r#"{"client_secret":"s3cr3t x","a":1}"#, r#"{"client_secret":"[redacted secret]","a":1}"#),
            (
                "https://x.example/?access_token=abc123&page=2",
                "https://x.example/?access_token=[redacted secret]&page=2",
            ),
            ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=[redacted secret]"),
            ("--from-literal=api-key='a b c'", "--from-literal=api-key='[redacted secret]'"),
            (r#"{"password" : "x"}"#, r#"{"password" : "[redacted secret]"}"#),
            ("password:  hunter2", "password:  [redacted secret]"),
            ("password => hunter2", "password => [redacted secret]"),
            (r#""password":"ab\"cd", "a":1"#, r#""password":"[redacted secret]", "a":1"#),
            (r#""password":"was cut of"#, r#""password":"[redacted secret]"#),
            (r#"{"log":"{\"password\":\"hun ter2\"}"}"#, r#"{"log":"{\"password\":\"[redacted secret]\"}"}"#),
            (r"password=\hunter2 x", "password=[redacted secret] x"),
        ] {
            assert_eq!(redact(text), out);
            assert_eq!(redact(out), out, "twice is once");
        }
        for name in [
            "passphrase",
            "private-key",
            "privateKey",
            "privatekey",
            "private_key",
            "access-key",
            "accessKey",
            "PGPASSWORD",
            "dbPassword",
            "db.password",
            "keyStorePassword",
            "secretKey",
            "secret_key",
            "MYSQL_PWD",
            "csrfToken",
            "awsAccessKey",
            "credentials",
        ] {
            for (before, after) in [("=", ""), (": ", ""), ("\":\"", "\""), (" = '", "'")] {
                let with = |value| format!("{name}{before}{value}{after}");
                assert_eq!(redact(&with("hunter2")), with("[redacted secret]"));
            }
        }
    }

    #[test]
    fn words_that_are_like_secrets_stay_and_cost_nothing_where_none_is_named() {
        for text in [
            "tokens: 512",
            "max_tokens=512, prompt_tokens: 7",
            "password reset requested",
            "no password was given",
            "unexpected token: }",
            "secretary: bob",
            "accessed keys: 3",
        ] {
            assert_eq!(redact(text), text);
        }
        let rules = RULES.as_ref().unwrap();
        for text in [
            "GET /checkout 200 12ms passing through, accessed key 7, private api at 10.0.0.1:8080",
            r#"{"level":"error","msg":"partner/charge timed out","attempt":3,"took_ms":2000}"#,
        ] {
            assert_eq!(rules.wanted(text), 0, "no pattern is tried: {text}");
        }
    }

    #[test]
    fn every_name_of_a_secret_is_among_the_words_that_are_looked_for_first() {
        let rules = RULES.as_ref().unwrap();
        for (at, rule) in rules.all.iter().enumerate().filter(|(_, rule)| rule.spec.label == "secret") {
            for word in ["password", "passwd", "passphrase", "pwd", "secret", "token", "credential"] {
                let text = format!("{word} \"value\"");
                assert!(rules.wanted(&text) & (1 << at) != 0, "{word}: {}", rule.spec.label);
            }
            for (first, second) in [("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")] {
                for between in ["", "_", "-"] {
                    let text = format!("{first}{between}{second} \"value\"");
                    assert!(rules.wanted(&text) & (1 << at) != 0, "{text}");
                }
            }
        }
    }

    #[test]
    fn a_variable_that_holds_a_secret_keeps_its_name_and_loses_its_value() {
        let template = |value: &str| {
            format!(
                r#"[{{"name":"DB_PASSWORD","value":"{value}"}},{{"name":"LOG","value":"info"}},{{"name":"USE_TOKEN","value":"true"}}]"#
            )
        };
        for value in ["hunter2", r#"hun\"ter"#, r"\u00e9t\u00e9", r"C:\\x"] {
            let once = redact(&template(value)).into_owned();
            assert_eq!(once, template("[redacted secret]"));
            assert_eq!(redact(&once), once);
        }
    }

    #[test]
    fn key_blocks_go_whole_even_when_they_were_cut_off() {
        let whole = "a -----BEGIN RSA PRIVATE KEY-----\nMIIE\nxyz\n-----END RSA PRIVATE KEY----- b";
        assert_eq!(redact(whole), "a [redacted private key] b");
        assert_eq!(redact("x -----BEGIN PRIVATE KEY----- MIIEvQ"), "x [redacted private key]");
        assert_eq!(redact("-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----"), "[redacted certificate]");
    }

    #[test]
    fn a_block_stays_a_block() {
        let block = super::super::clean_block("first\npassword=hunter2\nlast");
        assert_eq!(redact_safe(block), "first\npassword=[redacted secret]\nlast");
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing(text in r#"(?s)(password=|token: |secretKey|\\"|://|@|AKIA|eyJ|Cookie: |Authorization: |Bearer |-----BEGIN PRIVATE KEY-----|[a-zA-Z0-9 ="'.:\[\]/;&\n\\>-]{0,12}){0,8}"#) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once).into_owned(), once);
        }

        #[test]
        fn arbitrary_text_is_no_trouble(text in any::<String>()) {
            let _ = redact(&text);
        }
    }
}
